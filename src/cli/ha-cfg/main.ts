// ha-cfg: high availability of the pool. Declares the commands; the work is in the files it loads.

import { Argument } from "commander";
import { isInteractive } from "../context.ts";
import type { CliContext } from "../context.ts";
import { createTool } from "../program.ts";
import type { CommonOptions } from "../program.ts";
import { note, run } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { addExplain, addHistory, addLog, addVersion } from "../shared-commands.ts";
import { version } from "../version.ts";

const description = "High availability of a XenServer / XCP-ng pool: configuration and state";

interface Force extends CommonOptions {
  readonly force: boolean;
  readonly yes?: boolean;
}

/** `argv` without program names. Returns the exit code. */
export async function haCfg(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  const tool = createTool(context, "ha-cfg", description, version);
  tool
    .command("status", "state of HA; on a terminal offers to switch it on or off")
    .option("--no-ask", "do not offer to switch")
    .action(async (options: CommonOptions & { ask: boolean }) => {
      const { showHaStatus } = await import("./status.ts");
      tool.finish(await showHaStatus(context, { json: options.json === true, mayAsk: options.ask }));
    });
  tool
    .command("enable", "switch HA on for the pool")
    .option("--force", "although a host cannot be reached", false)
    .action(async ({ json, force }: Force) =>
      tool.finish(await run(context, { kind: "enable", force }, json === true)),
    );
  tool
    .command("disable", "switch HA off for the pool")
    .option("--force", "although the peer cannot be reached", false)
    .option("--yes", "with --force: do not ask")
    .action(async (options: Force) => {
      if (options.force && !(await mayForceDisable(context, options.yes === true))) return tool.finish(1);
      tool.finish(await run(context, { kind: "disable", force: options.force }, options.json === true));
    });
  tool
    .command("get", "list all parameters of the pool and their values")
    .argument("[name]", "only this one (any case)")
    .option("--long", "with source and default")
    .action(async (name: string | undefined, options: CommonOptions & { long?: boolean }) => {
      const { showParameters } = await import("../parameters.ts");
      tool.finish(await showParameters(context, { ...options, scope: "pool", name }));
    });
  tool
    .command("set", "give a parameter a value, for the whole pool")
    .argument("<name>", "name of the parameter (any case)")
    .argument("[value]", 'without spaces; "-" reads it from standard input')
    .addHelpText("after", "\nA password is asked for when its value is left out.\nExample: ha-cfg set MAIL_ON 0")
    .action(async (name: string, value: string | undefined, { json }: CommonOptions) => {
      const { setParameter } = await import("../parameters.ts");
      tool.finish(await setParameter(context, name, value, json === true));
    });
  tool
    .command("insert", "write the default parameters into the pool database")
    .option("--overwrite", "also over values that are there", false)
    .action(async ({ json, overwrite }: CommonOptions & { overwrite: boolean }) =>
      tool.finish(await run(context, { kind: "insert", overwrite }, json === true)),
    );
  tool
    .command("maintenance", "take this host out of service, or back")
    .addArgument(new Argument("<state>", "on: hand over everything and hold HA").choices(["on", "off"]))
    .action(async (state: string, { json }: CommonOptions) =>
      tool.finish(await run(context, { kind: "maintenance", on: state === "on" }, json === true)),
    );
  addLog(tool, context);
  addExplain(tool, context);
  addHistory(tool, context);
  addVersion(tool, context);
  return tool.main(argv);
}

/** protocol.md 9: disabling HA while the peer is down is the person's risk, so it is named. */
async function mayForceDisable(context: CliContext, yes: boolean): Promise<boolean> {
  note(
    context,
    "CAUTION: a host that cannot be reached keeps HA enabled until it hears of this. If it lives, it may fence this host or start its VMs: VMs can run twice.",
  );
  if (yes || !isInteractive(context)) return true;
  const { question } = await import("../ask-person.ts");
  if ((await question(context, "Disable HA on this side all the same? <yes or Enter to quit> ")) === "yes") return true;
  note(context, "Nothing was done.");
  return false;
}
