// D16 for members of the pool: before the VMs of a dead host start elsewhere its initiators lose the target, and they get it
// back when the pool counts that host among the living again.

import type { Hands } from "../../act/execute.ts";
import { initiatorsOf, type HostEntry } from "../../config/config.ts";
import { describe, type DriverError } from "../../drivers/driver-error.ts";
import { allowedWithout, hostAddresses } from "../../drivers/iscsi-target/allow.ts";
import type { TargetPort, TargetSpec } from "../../drivers/iscsi-target/port.ts";
import { err, ok, type Result } from "../../util/result.ts";

export interface MemberBarsParts {
  readonly target: Pick<TargetPort, "bar" | "fill">;
  readonly spec: TargetSpec;
  readonly hosts: () => readonly HostEntry[];
  /** Only the storage's owner fills a target: on the other host the device cannot be opened. */
  readonly owns: () => boolean;
  /** Addresses of the other storage host while the pair's own rules bar it, else none. */
  readonly pairBars: () => readonly string[];
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface MemberBars {
  /** Addresses that are barred now. */
  readonly addresses: () => readonly string[];
  readonly forHands: Pick<Hands, "targetSpec" | "deadInitiators" | "targetWithout">;
  bar(hostId: string): Promise<Result<"barred", string>>;
  /** Lifts the bars of hosts that are not dead any more. */
  follow(dead: readonly string[]): Promise<void>;
}

export function createMemberBars(parts: MemberBarsParts): MemberBars {
  const barred = new Set<string>();
  const addresses = (): readonly string[] =>
    parts
      .hosts()
      .filter((host) => barred.has(host.uuid))
      .flatMap(initiatorsOf);

  /** The target as the bars are now; an empty list of bars is a filled target without any. */
  function apply(): Promise<Result<"changed" | "already", DriverError>> {
    const all = [...parts.pairBars(), ...addresses()];
    return all.length === 0 ? parts.target.fill(parts.spec) : parts.target.bar(parts.spec, all);
  }

  return {
    addresses,
    forHands: {
      targetSpec: parts.spec,
      deadInitiators: addresses,
      // They never get in, not for a moment.
      targetWithout: (out) => ({ ...parts.spec, allow: allowedWithout(parts.spec, out, hostAddresses) }),
    },
    async bar(hostId) {
      barred.add(hostId);
      const done = await apply();
      return done.ok ? ok("barred") : err(`bar the initiators of ${hostId}: ${describe(done.error)}`);
    },
    async follow(dead) {
      const back = [...barred].filter((hostId) => !dead.includes(hostId));
      if (back.length === 0) return;
      for (const hostId of back) barred.delete(hostId);
      const done = parts.owns() ? await apply() : ok("already" as const);
      if (done.ok) return parts.log("pool.step", `${back.length} hosts may log in at the target again`);
      // Still barred as far as anybody knows: tried again with the next word of the brain.
      for (const hostId of back) barred.add(hostId);
      parts.log("action.failed", `readmit ${back.length} hosts at the target: ${describe(done.error)}`, "warn");
    },
  };
}
