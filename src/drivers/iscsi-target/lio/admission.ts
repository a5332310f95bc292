// Who may log in, by address. The kernel's target knows initiators only by the name they give themselves, TARGET_INITIATORS and
// D16 know addresses: so whoever is not let in gets no packet of the portal's address. Routing rules do that and not the
// packet filter, because dom0's own scripts may flush the latter. It must never touch a rule but those of its two priorities.

import { isIP, isIPv6 } from "node:net";
import type { Millis } from "../../../core/model/time.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import type { DriverError } from "../../driver-error.ts";
import { succeeded } from "../../exec/outcome.ts";
import type { ExecPort } from "../../exec/port.ts";
import { plain } from "../allow.ts";

/** Whoever is let in, then nobody. The table `local` comes first (0), so this host itself always is; `main` is 32766. */
const LET_IN = 17_600;
const NOBODY = 17_601;

export interface Admission {
  /** Null: everybody. */
  admitted(address: string): Promise<Result<readonly string[] | null, DriverError>>;
  /** Lets exactly these in (null: everybody) and looks again. */
  admit(address: string, wanted: readonly string[] | null): Promise<Result<"changed" | "already", DriverError>>;
}

/** The rules of one address; those that let in mean nothing while nobody is shut out. */
export interface ShownRules {
  readonly closed: boolean;
  readonly letIn: readonly string[];
  /** What takes away the rules of a floating IP that the configuration names no more: it may be some host's address by now. */
  readonly clearing: readonly string[];
}

export function createAdmission(exec: Pick<ExecPort, "run">, timeoutMs: Millis): Admission {
  /** As last looked at, by portal address; null while a change may have been made and was not seen. */
  const known = new Map<string, ShownRules | null>();

  async function ip(address: string, args: readonly string[], stdin?: string) {
    const all = [...(isIPv6(address) ? ["-6"] : []), ...args];
    const options = { timeoutMs, lane: "lio-admission", ...(stdin === undefined ? {} : { stdin }) };
    return succeeded(
      `ip ${stdin?.trim().split("\n").join("; ") ?? args.join(" ")}`,
      await exec.run("ip", all, options),
    );
  }

  /** After these changes, if there are any, which the same process makes. */
  async function look(address: string, changes: readonly string[] = []): Promise<Result<ShownRules, DriverError>> {
    const shown =
      changes.length === 0
        ? await ip(address, ["rule", "show"])
        : await ip(address, ["-batch", "-"], [...changes, "rule show", ""].join("\n"));
    return shown.ok ? ok(parseRules(shown.value.stdout, address)) : shown;
  }

  async function lookAnew(address: string, lines: readonly string[] = []): Promise<Result<ShownRules, DriverError>> {
    known.set(address, null);
    const found = await look(address, lines);
    if (found.ok) known.set(address, found.value);
    return found;
  }

  /** Whoever is shut out must be so now: others may have flushed the rules. That everybody is let in costs no process. */
  async function rulesOf(address: string, wanted: ShownRules): Promise<Result<ShownRules, DriverError>> {
    const has = known.get(address) ?? null;
    return has === null || (has.closed && same(has, wanted)) ? await lookAnew(address) : ok(has);
  }

  return {
    async admitted(address) {
      const rules = await look(address);
      // A change that is under way meanwhile knows better.
      if (rules.ok && !known.has(address)) known.set(address, rules.value);
      return rules.ok ? ok(rules.value.closed ? rules.value.letIn : null) : rules;
    },
    async admit(address, wanted) {
      const family = isIP(address);
      const list = (wanted ?? []).filter((one) => isIP(one.split("/")[0] ?? "") === family).map(plain);
      const want: ShownRules = { closed: wanted !== null, letIn: [...new Set(list)], clearing: [] };
      const before = await rulesOf(address, want);
      if (!before.ok) return before;
      if (same(before.value, want)) return ok("already");
      const had = before.value;
      const lines = [
        ...had.clearing,
        // In this order nobody who stays let in is cut off for a moment.
        ...want.letIn.filter((to) => !had.letIn.includes(to)).map((to) => `rule add ${letInRule(address, to)}`),
        ...(want.closed && !had.closed ? [`rule add ${nobodyRule(address)}`] : []),
        ...(had.closed && !want.closed ? [`rule del ${nobodyRule(address)}`] : []),
        ...had.letIn.filter((to) => !want.letIn.includes(to)).map((to) => `rule del ${letInRule(address, to)}`),
      ];
      const after = await lookAnew(address, lines);
      if (!after.ok) return after;
      if (same(after.value, want)) return ok("changed");
      return err({ kind: "unverified", action: "let initiators in", expected: text(want), found: text(after.value) });
    },
  };
}

const letInRule = (from: string, to: string) => `from ${from} to ${to} lookup main pref ${LET_IN}`;
const nobodyRule = (from: string) => `blackhole from ${from} pref ${NOBODY}`;

/** Lines as `17600:	from 10.10.10.3 to 10.10.10.1 lookup main` and `17601:	from 10.10.10.3 blackhole`. */
export function parseRules(shown: string, address: string): ShownRules {
  const ours = plain(address);
  let closed = false;
  const letIn: string[] = [];
  const others: { readonly from: string; readonly rule: string }[] = [];
  const shutOut = new Set<string>();
  for (const line of shown.split("\n")) {
    const [, pref, source = "", to, action] = /^(\d+):\s+from (\S+)(?: to (\S+))? (.*?)\s*$/.exec(line) ?? [];
    const from = plain(source);
    const isNobody = Number(pref) === NOBODY;
    if (isNobody && from === ours) closed = true;
    else if (isNobody && to === undefined && action === "blackhole") {
      shutOut.add(from);
      others.push({ from, rule: nobodyRule(from) });
    } else if (Number(pref) === LET_IN && to !== undefined) {
      if (from === ours) letIn.push(plain(to));
      else if (action === "lookup main") others.push({ from, rule: letInRule(from, to) });
    }
  }
  // Nobody but us shuts out with this priority.
  const clearing = others.filter(({ from }) => shutOut.has(from)).map(({ rule }) => `rule del ${rule}`);
  return { closed, letIn, clearing };
}

const text = ({ closed, letIn }: ShownRules): string => (closed ? `only ${letIn.join(" ")}` : "everybody");

const same = (left: ShownRules, right: ShownRules): boolean =>
  left.closed === right.closed &&
  left.clearing.length === right.clearing.length &&
  left.letIn.length === right.letIn.length &&
  left.letIn.every((one) => right.letIn.includes(one));
