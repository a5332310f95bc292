// `ha-cfg forget-host`: only for a host that is silent, by its name, and never a side effect of anything (FENCE_HOST_FORGET).

import { forgetHost } from "../../act/pool/forget-host.ts";
import type { Config } from "../../config/config.ts";
import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import type { Snapshot } from "../brain/messages.ts";
import type { PoolPart } from "../pool/pool-part.ts";

export interface ForgetParts {
  readonly config: () => Pick<Config, "self" | "peer">;
  readonly snapshot: () => Pick<Snapshot, "inContact"> | null;
  readonly view: () => Observation<PoolView>;
  readonly perform: PoolPart["perform"];
}

export async function forgetReply(parts: ForgetParts, name: string): Promise<ControlReply> {
  const pool = valueOf(parts.view());
  const failed = (reason: string, next: string): ControlReply => ({ kind: "failed", reason, next });
  if (pool === undefined) return failed("the pool database is not readable just now", "see 'ha-cfg status'");
  const found = pool.hosts.filter((host) => host.name === name || host.uuid === name);
  const [host] = found;
  if (host === undefined || found.length !== 1) {
    const expected = `expected one of: ${pool.hosts.map((one) => one.name).join(", ")}`;
    return failed(`found ${found.length} hosts of the name or UUID "${name}", ${expected}`, "name one, or its UUID");
  }
  const { self, peer } = parts.config();
  const answers = (): boolean => host.uuid === peer.uuid && parts.snapshot()?.inContact !== false;
  if (answers()) {
    const reason = `${host.name} answers: it is not gone`;
    return { kind: "refused", rule: "V7", reason, next: "switch it off first, if it is to leave the pool" };
  }
  const order = { hostUuid: host.uuid, ownUuid: self.uuid };
  const done = await parts.perform(
    (context) => forgetHost(context, order),
    () => !answers(),
  );
  if (!done.ok) return failed(done.error, "see 'ha-cfg log'");
  const { forgottenSrs, leftovers } = done.value;
  const lines = [
    `${done.value.name} is out of the pool; its VMs are halted and the locks on their disks are gone`,
    ...forgottenSrs.map((uuid) => `its local storage ${uuid} is forgotten; the data on it was not touched`),
    ...leftovers.map((text) => `left over: ${text}`),
  ];
  return leftovers.length === 0
    ? { kind: "done", text: lines.join("\n") }
    : failed(lines.join("\n"), "mend these by hand");
}
