// tandemd: the daemon of one host.

import { parseArgs } from "node:util";
import { runDaemon } from "../daemon/start.ts";
import { VERSION } from "../report/version.ts";

const help = `Usage: tandemd [--config FILE]

The high-availability daemon of one host of the pool. Started by systemd;
steered by ha-cfg and iscsi-cfg.

  --config FILE   local configuration (default /etc/tandem/tandem.yaml)
  --version       print the version
  --help          print this text
`;

try {
  const { values } = parseArgs({
    options: { config: { type: "string" }, version: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help === true) process.stdout.write(help);
  else if (values.version === true) process.stdout.write(`tandemd ${VERSION}\n`);
  else process.exitCode = await runDaemon(values.config);
} catch (error) {
  process.stderr.write(`Cannot start tandemd: ${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  process.exitCode = 2;
}
