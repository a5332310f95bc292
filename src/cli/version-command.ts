// `version`: what runs where. A daemon that cannot be asked does not make the command fail: its own version is known.

import { askDaemon, describeClientError } from "../drivers/control/client.ts";
import type { CliContext } from "./context.ts";
import { note } from "./request.ts";
import type { ExitCode } from "./request.ts";
import { clean } from "./text.ts";
import { version } from "./version.ts";

export async function showVersion(context: CliContext, json: boolean): Promise<ExitCode> {
  const answer = await askDaemon({ kind: "status" }, { path: context.socketPath, silenceMs: 3000 });
  const status = answer.ok && answer.value.kind === "status" ? answer.value.status : null;
  const { own, peer } = status ?? { own: null, peer: null };
  if (json) {
    const daemon = own === null ? null : { host: own.name, version: own.version, drbd: own.drbdVersion };
    const other = peer === null ? null : { host: peer.name, version: peer.version };
    context.out(JSON.stringify({ tool: version, node: process.version, daemon, peer: other }, null, 2));
    return 0;
  }
  context.out(`tandem tools   ${version} (Node ${process.version})`);
  if (own !== null) {
    context.out(`tandemd        ${clean(own.version)} on ${clean(own.name)}`);
    context.out(`tandemd        ${peer === null ? "peer not heard" : `${clean(peer.version)} on ${clean(peer.name)}`}`);
    context.out(`DRBD           ${clean(own.drbdVersion ?? "unknown")}`);
  }
  if (!answer.ok) note(context, describeClientError(answer.error).reason);
  return 0;
}
