// Domains through xl: it talks to the hypervisor itself, so it works while xapi hangs. Looks, acts and looks again.
// It must never touch domain 0, and never take a domain id for the domain it was a moment ago without looking.

import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { finished, succeeded } from "../exec/outcome.ts";
import type { ExecPort } from "../exec/port.ts";
import { type ListedDomain, parseXlList } from "./parse.ts";
import type { DomainsPort } from "./port.ts";

export interface DomainsSettings {
  readonly lookTimeoutMs?: Millis;
  /** Destroying frees the memory of the domain before it returns: seconds for a big one. */
  readonly actTimeoutMs?: Millis;
}

export function createDomains(exec: ExecPort, settings: DomainsSettings = {}): DomainsPort {
  const lookTimeoutMs = settings.lookTimeoutMs ?? 3000;
  const actTimeoutMs = settings.actTimeoutMs ?? 20_000;

  async function look(): Promise<Result<readonly ListedDomain[], DriverError>> {
    const command = "xl list -v";
    const done = succeeded(
      command,
      await exec.run("xl", ["list", "-v"], { timeoutMs: lookTimeoutMs, lane: "xl-look" }),
    );
    if (!done.ok) return done;
    const domains = parseXlList(done.value.stdout);
    return domains.ok ? domains : err({ kind: "parse", command, sample: domains.error });
  }

  async function ensure(
    verb: "pause" | "unpause" | "destroy",
    domId: number,
    wanted: (domain: ListedDomain | undefined) => boolean,
    expected: string,
  ): Promise<Result<"changed" | "already", DriverError>> {
    const action = `${verb} domain ${domId}`;
    if (!Number.isInteger(domId) || domId <= 0) {
      return err({ kind: "unverified", action, expected: "a domain of a VM", found: `domain id ${domId}` });
    }
    const of = (domains: readonly ListedDomain[]) => domains.find((domain) => domain.domId === domId);
    const before = await look();
    if (!before.ok) return before;
    if (wanted(of(before.value))) return ok("already");
    const run = await exec.run("xl", [verb, String(domId)], { timeoutMs: actTimeoutMs, lane: `xl:${domId}` });
    const acted = finished(`xl ${verb} ${domId}`, run);
    if (!acted.ok) return acted;
    // Not the exit code but what is seen decides: xl complains about domains that went by themselves.
    const after = await look();
    if (!after.ok) return after;
    const found = of(after.value);
    if (wanted(found)) return ok("changed");
    if (acted.value.code !== 0) {
      return err({ kind: "exit", command: `xl ${verb} ${domId}`, code: acted.value.code, stderr: acted.value.stderr });
    }
    return err({ kind: "unverified", action, expected, found: describeDomain(found) });
  }

  return {
    async list() {
      const domains = await look();
      if (!domains.ok) return domains;
      return ok(
        domains.value
          .filter((domain) => !domain.dying)
          .map(({ uuid, domId, name, paused }) => ({ uuid, domId, name, paused })),
      );
    },
    // A domain that is gone does not execute: nothing is left to pause.
    pause: (domId) => ensure("pause", domId, (domain) => domain === undefined || domain.paused, "paused"),
    unpause: (domId) => ensure("unpause", domId, (domain) => domain?.paused === false, "running"),
    // Gone, not merely dying: only then its disks are closed too.
    destroy: (domId) => ensure("destroy", domId, (domain) => domain === undefined, "gone"),
  };
}

function describeDomain(domain: ListedDomain | undefined): string {
  if (domain === undefined) return "no such domain";
  return domain.dying ? "dying" : domain.paused ? "paused" : "running";
}
