// Who may log in, by address. The kernel's target knows initiators only by the name they give themselves, TARGET_INITIATORS and
// D16 know addresses: so whoever is not let in gets no packet of the portal's address. Routing rules do that and not the
// packet filter, because dom0's own scripts may flush the latter. It must never touch a rule but those of its two priorities.

import { isIP, isIPv6, SocketAddress } from "node:net";
import type { Millis } from "../../../core/model/time.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import type { DriverError } from "../../driver-error.ts";
import { succeeded } from "../../exec/outcome.ts";
import type { ExecPort } from "../../exec/port.ts";

/** Whoever is let in, then nobody. The table `local` comes first (0), so this host itself always is; `main` is 32766. */
const LET_IN = 17_600;
const NOBODY = 17_601;

export interface Admission {
  /** Null: everybody. Looks only where what holds is not known yet. */
  admitted(address: string): Promise<Result<readonly string[] | null, DriverError>>;
  /** Lets exactly these in (null: everybody) and looks again. */
  admit(address: string, wanted: readonly string[] | null): Promise<Result<"changed" | "already", DriverError>>;
}

/** The rules of one address; those that let in mean nothing while nobody is shut out. */
export interface ShownRules {
  readonly closed: boolean;
  readonly letIn: readonly string[];
}

export function createAdmission(exec: Pick<ExecPort, "run">, timeoutMs: Millis): Admission {
  /** As last looked at, by portal address. */
  const known = new Map<string, ShownRules>();

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
    known.delete(address);
    const shown =
      changes.length === 0
        ? await ip(address, ["rule", "show"])
        : await ip(address, ["-batch", "-"], [...changes, "rule show", ""].join("\n"));
    if (!shown.ok) return shown;
    const found = parseRules(shown.value.stdout, address);
    known.set(address, found);
    return ok(found);
  }

  async function rulesOf(address: string): Promise<Result<ShownRules, DriverError>> {
    const has = known.get(address);
    return has === undefined ? await look(address) : ok(has);
  }

  return {
    async admitted(address) {
      const rules = await rulesOf(address);
      return rules.ok ? ok(rules.value.closed ? rules.value.letIn : null) : rules;
    },
    async admit(address, wanted) {
      const before = await rulesOf(address);
      if (!before.ok) return before;
      const family = isIP(address);
      const list = (wanted ?? []).filter((one) => isIP(one.split("/")[0] ?? "") === family).map(plain);
      const want: ShownRules = { closed: wanted !== null, letIn: [...new Set(list)] };
      if (same(before.value, want)) return ok("already");
      const had = before.value;
      const letIn = (to: string) => `from ${address} to ${to} lookup main pref ${LET_IN}`;
      const nobody = `blackhole from ${address} pref ${NOBODY}`;
      const lines = [
        // In this order nobody who stays let in is cut off for a moment.
        ...want.letIn.filter((to) => !had.letIn.includes(to)).map((to) => `rule add ${letIn(to)}`),
        ...(want.closed && !had.closed ? [`rule add ${nobody}`] : []),
        ...(had.closed && !want.closed ? [`rule del ${nobody}`] : []),
        ...had.letIn.filter((to) => !want.letIn.includes(to)).map((to) => `rule del ${letIn(to)}`),
      ];
      const after = await look(address, lines);
      if (!after.ok) return after;
      if (same(after.value, want)) return ok("changed");
      return err({ kind: "unverified", action: "let initiators in", expected: text(want), found: text(after.value) });
    },
  };
}

/** Lines as `17600:	from 10.10.10.3 to 10.10.10.1 lookup main` and `17601:	from 10.10.10.3 blackhole`. */
export function parseRules(shown: string, address: string): ShownRules {
  const ours = plain(address);
  let closed = false;
  const letIn: string[] = [];
  for (const line of shown.split("\n")) {
    const found = /^(\d+):\s+from (\S+)(?: to (\S+))?/.exec(line);
    if (found === null || plain(found[2] ?? "") !== ours) continue;
    if (Number(found[1]) === NOBODY) closed = true;
    else if (Number(found[1]) === LET_IN && found[3] !== undefined) letIn.push(plain(found[3]));
  }
  return { closed, letIn };
}

/** As `ip` prints it: IPv6 in its canonical form, a single host without a prefix. */
function plain(entry: string): string {
  const [address = "", prefix] = entry.split("/");
  const shown = isIPv6(address) ? new SocketAddress({ address, family: "ipv6" }).address : address;
  return prefix === undefined || prefix === (isIPv6(address) ? "128" : "32") ? shown : `${shown}/${prefix}`;
}

const text = ({ closed, letIn }: ShownRules): string => (closed ? `only ${letIn.join(" ")}` : "everybody");

const same = (left: ShownRules, right: ShownRules): boolean =>
  left.closed === right.closed &&
  left.letIn.length === right.letIn.length &&
  left.letIn.every((one) => right.letIn.includes(one));
