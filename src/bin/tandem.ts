// tandem: what runs on other machines than the hosts of the pool. `tandem witness` is the third vote of two-host pools.

import { parseArgs } from "node:util";
import { newWitnessKey } from "../drivers/witness/keys.ts";
import { VERSION } from "../report/version.ts";
import { checkWitness, runWitness } from "../witness/run.ts";

const help = `Usage: tandem witness [--config FILE] [--check | --new-key]

The third vote of two-host pools: of two hosts that lost each other it lets one
go on, and remembers which. Runs on any small Linux machine that is neither of
the two hosts; serves several pools. Needs no storage but a file of some bytes.

  --config FILE   its configuration (default /etc/tandem/witness.yaml)
  --check         read configuration and grants, print them, change nothing
  --new-key       print a fresh key for a pool
  --version       print the version
  --help          print this text

The key of a pool stands in witness.yaml here and, as a line of its own, in
/etc/tandem/witness.key (mode 600) on both hosts; 'ha-cfg set WITNESS HOST:PORT'
makes the pool use the witness. SIGHUP reads the configuration again.
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      config: { type: "string" },
      check: { type: "boolean" },
      "new-key": { type: "boolean" },
      version: { type: "boolean" },
      help: { type: "boolean" },
    },
    allowPositionals: true,
  });
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  if (values.help === true) return (print(help.trimEnd()), 0);
  if (values.version === true) return (print(`tandem ${VERSION}`), 0);
  if (positionals.length !== 1 || positionals[0] !== "witness")
    throw new Error(`found "${positionals.join(" ").slice(0, 60)}", expected witness`);
  if (values["new-key"] === true) return (print(newWitnessKey()), 0);
  if (values.check === true) return checkWitness(values.config, print);
  return runWitness(values.config);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`Cannot start tandem: ${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  process.exitCode = 2;
}
