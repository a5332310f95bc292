// The commands of the documents that are a host's own and not our tools': run on a node as they stand there.

import type { Lab } from "../lab.ts";
import type { NodeName } from "../names.ts";
import { POOL_UUID } from "../names.ts";

interface Documented {
  readonly command: string;
  /** What the answer must show. */
  readonly shows?: RegExp;
}

/** Each begins as it is written in a document (test/cli/documents.test.ts). */
export const HOST_COMMANDS: readonly Documented[] = [
  { command: "systemctl start tandemd" },
  { command: "systemctl status tandemd", shows: /Active: active \(running\)/ },
  { command: "journalctl -u tandemd -n 50", shows: /tandemd/ },
  { command: "curl --unix-socket /run/tandem/metrics.sock http://localhost/metrics", shows: /^tandem_\w+/m },
  { command: "systemctl enable --now tandem-metrics" },
  { command: "tandem witness --new-key", shows: /^[0-9a-f]{64}$/m },
  { command: "systemctl enable --now tandem-witness" },
];

const LIMIT_MS = 60_000;

/** Runs all of them; what they enabled is up at the end. Throws with the answer of one that does not do what it should. */
export async function runDocumented(lab: Lab, node: NodeName): Promise<void> {
  for (const { command, shows } of HOST_COMMANDS) {
    const said = await lab.must(node, command, LIMIT_MS);
    if (shows !== undefined && !shows.test(said)) throw new Error(`${node}: "${command}" said ${said}`);
    if (!command.endsWith("--new-key")) continue;
    const file = `pools:\n  - uuid: ${POOL_UUID}\n    keys: [${said.trim()}]\n`;
    await lab.upload(node, "/etc/tandem/witness.yaml", file, 0o600);
    await lab.must(node, "tandem witness --check", LIMIT_MS);
  }
  await lab.must(node, "systemctl is-active tandem-metrics.service tandem-witness.service", LIMIT_MS);
}
