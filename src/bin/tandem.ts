// tandem: the programs beside the daemon. `tandem witness` is the third vote of two-host pools, on a machine of its own;
// `tandem metrics` shows Prometheus what the daemon of this host counts.

import { parseArgs } from "node:util";
import { newWitnessKey } from "../drivers/witness/keys.ts";
import { VERSION } from "../report/version.ts";
import { checkWitness, runWitness } from "../witness/run.ts";

const help = `Usage: tandem witness [--config FILE] [--check | --new-key]
       tandem metrics [--config FILE] [--check] [--socket PATH]

witness: the third vote of two-host pools: of two hosts that lost each other it
lets one go on, and remembers which. Runs on any small Linux machine that is
neither of the two hosts; serves several pools. Needs no storage but a file of
some bytes.

metrics: shows Prometheus what tandemd of this host counts, on a unix socket,
and on the network where /etc/tandem/metrics.yaml says so.

  --config FILE   its configuration (default /etc/tandem/witness.yaml or
                  /etc/tandem/metrics.yaml)
  --check         read the configuration (witness: and the grants), print what
                  it says, change nothing
  --new-key       witness: print a fresh key for a pool
  --socket PATH   metrics: the unix socket (default /run/tandem/metrics.sock)
  --version       print the version
  --help          print this text

The key of a pool stands in witness.yaml here and, as a line of its own, in
/etc/tandem/witness.key (mode 600) on both hosts; 'ha-cfg set WITNESS HOST:PORT'
makes the pool use the witness. SIGHUP reads its configuration again.
`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      config: { type: "string" },
      check: { type: "boolean" },
      "new-key": { type: "boolean" },
      socket: { type: "string" },
      version: { type: "boolean" },
      help: { type: "boolean" },
    },
    allowPositionals: true,
  });
  if (values.help === true) return (print(help.trimEnd()), 0);
  if (values.version === true) return (print(`tandem ${VERSION}`), 0);
  const [program] = positionals;
  if (positionals.length !== 1 || (program !== "witness" && program !== "metrics"))
    throw new Error(`found "${positionals.join(" ").slice(0, 60)}", expected witness or metrics`);
  if (program === "metrics") {
    if (values["new-key"] === true) throw new Error("--new-key is for witness only");
    if (values.check === true) return checkMetrics(values.config);
    const { runMetrics } = await import("../metrics/run.ts");
    return runMetrics({ configPath: values.config, socketPath: values.socket });
  }
  if (values.socket !== undefined) throw new Error("--socket is for metrics only");
  if (values["new-key"] === true) return (print(newWitnessKey()), 0);
  if (values.check === true) return checkWitness(values.config, print);
  return runWitness(values.config);
}

async function checkMetrics(path: string | undefined): Promise<number> {
  const { readMetricsConfig } = await import("../metrics/run.ts");
  const config = await readMetricsConfig(path);
  if (!config.ok) return (print(config.error), 1);
  const { listen, login, tls } = config.value;
  const how = `${tls === null ? "HTTP" : "HTTPS"}${login === null ? "" : `, login ${login.user}`}`;
  print("serves its unix socket, for root");
  for (const { host, port } of listen) print(`serves ${host} port ${port} (${how})`);
  if (listen.length === 0) print("serves nothing on the network");
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`Cannot start tandem: ${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  process.exitCode = 2;
}
