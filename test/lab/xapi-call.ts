// Calls on a node's xapi as an administrator would make them: by UUID, on the node's own socket.

import { askAgent } from "./agent-client.ts";
import type { Lab } from "./lab.ts";
import { FACTS, type NodeName } from "./names.ts";

export async function xapi(
  _lab: Lab,
  node: NodeName,
  method: string,
  params: readonly unknown[],
  timeoutMs = 30_000,
): Promise<unknown> {
  const { code, stdout, stderr } = await askAgent(node, { op: "xapi", method, params, timeoutMs }, timeoutMs * 3);
  if (code !== 0) throw new Error(`${node}: xapi ${method}: ${stderr}`);
  return JSON.parse(stdout) as unknown;
}

const ref = async (lab: Lab, node: NodeName, kind: "VM" | "host", uuid: string): Promise<string> =>
  String(await xapi(lab, node, `${kind}.get_by_uuid`, [uuid]));

export async function startOn(lab: Lab, through: NodeName, vm: string, on: NodeName): Promise<void> {
  const [vmRef, hostRef] = [await ref(lab, through, "VM", vm), await ref(lab, through, "host", FACTS[on].uuid)];
  await xapi(lab, through, "VM.start_on", [vmRef, hostRef, false, false]);
}

export async function migrate(lab: Lab, through: NodeName, vm: string, to: NodeName): Promise<void> {
  const [vmRef, hostRef] = [await ref(lab, through, "VM", vm), await ref(lab, through, "host", FACTS[to].uuid)];
  await xapi(lab, through, "VM.pool_migrate", [vmRef, hostRef, { live: "true" }], 60_000);
}

export async function shutdownVm(lab: Lab, through: NodeName, vm: string): Promise<void> {
  await xapi(lab, through, "VM.hard_shutdown", [await ref(lab, through, "VM", vm)]);
}
