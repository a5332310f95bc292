// iscsi-cfg: the storage of the pool. Declares the commands; the work is in the files it loads.

import type { CliContext } from "../context.ts";
import { createTool } from "../program.ts";
import type { CommonOptions } from "../program.ts";
import { note, run } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { addCompletion, addExplain, addHistory, addLog, addVersion, parseCount } from "../shared-commands.ts";
import { version } from "../version.ts";
import { addSetupCommands } from "./setup-commands.ts";

const description = "The replicated storage of a two-node pool: DRBD, iSCSI target, floating IP";

interface Force extends CommonOptions {
  readonly force: boolean;
}

/** `argv` without program names. Returns the exit code. */
export async function iscsiCfg(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  const tool = createTool(context, "iscsi-cfg", description, version);
  tool
    .command("status", "both nodes, live; once and in plain lines without a terminal")
    .option("--once", "print one picture and end")
    .option("--follow", "without a terminal: a new picture at every change")
    .option("--plain", "line by line and then what changes: for screen readers and logs")
    .option("--tolerance <seconds>", "older data is called stale", parseCount(1, 3600), 15)
    .action(
      async (options: CommonOptions & { once?: boolean; follow?: boolean; plain?: boolean; tolerance: number }) => {
        const { showStatus } = await import("./status/command.ts");
        tool.finish(await showStatus(context, options));
      },
    );
  tool
    .command("switch", "hand the storage and the master role over to the other host")
    .option("--storage-only", "leave the master role where it is", false)
    .action(async ({ json, storageOnly }: CommonOptions & { storageOnly: boolean }) =>
      tool.finish(await run(context, { kind: "switch", storageOnly }, json === true)),
    );
  tool
    .command("replug", "plug this host's storage repositories again")
    .action(async ({ json }: CommonOptions) => tool.finish(await run(context, { kind: "replug" }, json === true)));
  tool
    .command("get", "list the storage parameters and their values")
    .argument("[name]", "only this one (any case)")
    .option("--long", "with source and default")
    .action(async (name: string | undefined, options: CommonOptions & { long?: boolean }) => {
      const { showParameters } = await import("../parameters.ts");
      tool.finish(await showParameters(context, { ...options, scope: "storage", name }));
    });
  addLog(tool, context);
  tool
    .command("manual-mode-enable", "roles of this host are moved by hand only; do it on both")
    .action(async ({ json }: CommonOptions) =>
      tool.finish(await run(context, { kind: "manual", on: true, force: false }, json === true)),
    );
  tool
    .command("manual-mode-disable", "roles follow the pool master again; needs native roles")
    .option("--force", "although the roles are not native", false)
    .action(async ({ json, force }: Force) =>
      tool.finish(await run(context, { kind: "manual", on: false, force }, json === true)),
    );
  addBecomePrimary("become-primary", "serve the storage on this host (manual mode only)", false);
  addBecomePrimary("become-master", "older name of become-primary", true);
  tool
    .command("become-secondary", "stop serving the storage on this host (manual mode only)")
    .action(async ({ json }: CommonOptions) =>
      tool.finish(await run(context, { kind: "become-secondary" }, json === true)),
    );
  tool
    .command("confirm-peer-off", "swear that the peer is switched off and stays off")
    .argument("[peer]", "name of the peer; asked on a terminal when left out")
    .action(async (peer: string | undefined, { json }: CommonOptions) => {
      const { confirmPeerOff } = await import("./dangerous.ts");
      tool.finish(await confirmPeerOff(context, peer ?? null, json === true));
    });
  addSetupCommands(tool, context);
  tool
    .command("resolve-split-brain", "copies that grew apart: show both, give the other host's up")
    .option("--victim <name>", "the host whose copy is given up, instead of typing its name")
    .option("--no-snapshot", "do not keep its disk as an LVM snapshot")
    .option("--no-follow", "do not wait until both copies agree")
    .action(async (options: CommonOptions & { victim?: string; snapshot: boolean; follow: boolean }) => {
      const { resolveSplitBrain } = await import("./resolve.ts");
      tool.finish(await resolveSplitBrain(context, options));
    });
  addExplain(tool, context);
  addHistory(tool, context);
  addVersion(tool, context);
  addCompletion(tool, context);
  return tool.main(argv);

  function addBecomePrimary(name: string, text: string, isOld: boolean): void {
    tool
      .command(name, text)
      .option("--force", "after confirm-peer-off: accept that what only the peer has is lost", false)
      .option("--peer <name>", "with --force: the name of the peer, instead of typing it")
      .action(async ({ json, force, peer }: Force & { peer?: string }) => {
        if (isOld) note(context, "become-master is now called become-primary; doing that.");
        const { becomePrimary } = await import("./dangerous.ts");
        tool.finish(await becomePrimary(context, { force, peer: peer ?? null, json: json === true }));
      });
  }
}
