// ha-cfg: high availability of the pool. Declares the commands; the work is in the files it loads.

import { Argument } from "commander";
import type { ControlRequest } from "../../drivers/control/port.ts";
import { isInteractive } from "../context.ts";
import type { CliContext } from "../context.ts";
import { createTool } from "../program.ts";
import type { CommonOptions } from "../program.ts";
import { note, run } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { addCompletion, addExplain, addHistory, addLog, addVersion } from "../shared-commands.ts";
import { version } from "../version.ts";
import { HELP } from "./help.ts";

const description = "High availability of a XenServer / XCP-ng pool: configuration and state";

interface Force extends CommonOptions {
  readonly force?: boolean;
  readonly yes?: boolean;
}

/** `argv` without program names. Returns the exit code. */
export async function haCfg(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  const tool = createTool(context, "ha-cfg", description, version);
  /** A command that is one request. */
  const plain = (group: string, name: string, text: string, request: ControlRequest): void => {
    tool
      .command(name, text)
      .helpGroup(group)
      .action(async ({ json }: CommonOptions) => tool.finish(await run(context, request, json === true)));
  };
  /** One that takes something away: named first, and asked for on a terminal. */
  const destructive = (group: string, name: string, text: string, caution: string, request: ControlRequest): void => {
    tool
      .command(name, text)
      .helpGroup(group)
      .option("--yes", "do not ask")
      .action(async ({ json, yes }: CommonOptions & { yes?: boolean }) => {
        if (!(await agreed(context, caution, yes === true))) return tool.finish(1);
        tool.finish(await run(context, request, json === true));
      });
  };

  tool
    .command("status", "state of HA; on a terminal offers to switch it on or off")
    .helpGroup(EVERYDAY)
    .option("--no-ask", "do not offer to switch")
    .action(async (options: CommonOptions & { ask: boolean }) => {
      const { showHaStatus } = await import("./status.ts");
      tool.finish(await showHaStatus(context, { json: options.json === true, mayAsk: options.ask }));
    });
  tool
    .command("check", "try now everything that a failover will need; names the next step")
    .helpGroup(EVERYDAY)
    .action(async ({ json }: CommonOptions) => {
      const { checkAll } = await import("./check.ts");
      tool.finish(await checkAll(context, json === true));
    });
  addExplain(tool, context).helpGroup(EVERYDAY);
  tool
    .command("enable", "switch HA on for the pool")
    .helpGroup(EVERYDAY)
    .option("--force", "although 'ha-cfg check' finds faults; both hosts must answer")
    .action(async ({ json, force }: Force) =>
      tool.finish(await run(context, { kind: "enable", force: force === true }, json === true)),
    );
  tool
    .command("disable", "switch HA off for the pool")
    .helpGroup(EVERYDAY)
    .option("--force", "although the peer cannot be reached")
    .option("--yes", "with --force: do not ask")
    .action(async (options: Force) => {
      const force = options.force === true;
      if (force && !(await agreed(context, FORCED, options.yes === true))) return tool.finish(1);
      tool.finish(await run(context, { kind: "disable", force }, options.json === true));
    });
  tool
    .command("maintenance", "take this host out of service, or back")
    .helpGroup(EVERYDAY)
    .addArgument(new Argument("<state>", "on or off").choices(["on", "off"]))
    .option("--leave-vms", "off: the VMs that were moved away stay where they are")
    .action(async (state: string, { json, leaveVms }: CommonOptions & { leaveVms?: boolean }) =>
      tool.finish(
        await run(context, { kind: "maintenance", on: state === "on", returnVms: leaveVms !== true }, json === true),
      ),
    );
  tool
    .command("forget-host", "take a host that will not come back out of the pool")
    .helpGroup(EVERYDAY)
    .argument("<host>", "its name or its UUID")
    .option("--yes", "do not ask")
    .action(async (host: string, { json, yes }: CommonOptions & { yes?: boolean }) => {
      const caution = `CAUTION: ${host} leaves the pool for good, and its local storage is forgotten.`;
      if (!(await agreed(context, caution, yes === true))) return tool.finish(1);
      tool.finish(await run(context, { kind: "forget-host", host }, json === true));
    });
  addHistory(tool, context).helpGroup(EVERYDAY);
  addLog(tool, context).helpGroup(EVERYDAY);
  tool
    .command("cluster-status", "HA, storage and parameters on one page")
    .helpGroup(EVERYDAY)
    .action(async ({ json }: CommonOptions) => {
      const { showCluster } = await import("./lists.ts");
      tool.finish(await showCluster(context, json === true));
    });

  tool
    .command("get-vm-ha", "list the VMs and whether HA is set for each")
    .helpGroup(VMS)
    .option("--names", "only the names, one per line")
    .action(async ({ json, names }: CommonOptions & { names?: boolean }) => {
      const { showVmFlags } = await import("./lists.ts");
      tool.finish(await showVmFlags(context, { json: json === true, names: names === true }));
    });
  tool
    .command("set-vm-ha", "set HA for one VM; counts while GLOBAL_VM_HA is 0")
    .helpGroup(VMS)
    .argument("<vm>", "its name or its UUID")
    .addArgument(new Argument("<flag>", "true or false").choices(["true", "false"]))
    .action(async (vm: string, flag: string, { json }: CommonOptions) =>
      tool.finish(await run(context, { kind: "set-vm-ha", vm, on: flag === "true" }, json === true)),
    );

  tool
    .command("get", "list all parameters of the pool and their values")
    .helpGroup(PARAMETERS)
    .argument("[name]", "only this one (any case)")
    .option("--long", "with source and default")
    .action(async (name: string | undefined, options: CommonOptions & { long?: boolean }) => {
      const { showParameters } = await import("../parameters.ts");
      tool.finish(await showParameters(context, { ...options, scope: "pool", name }));
    });
  tool
    .command("set", "give a parameter a value, for the whole pool")
    .helpGroup(PARAMETERS)
    .argument("<name>", "name of the parameter (any case)")
    .argument("[value]", 'without spaces; "-" reads it from standard input')
    .action(async (name: string, value: string | undefined, { json }: CommonOptions) => {
      const { setParameter } = await import("../parameters.ts");
      tool.finish(await setParameter(context, name, value, json === true));
    });
  tool
    .command("insert", "write the default parameters into the pool database")
    .helpGroup(PARAMETERS)
    .option("--overwrite", "also over values that are there")
    .action(async ({ json, overwrite }: CommonOptions & { overwrite?: boolean }) =>
      tool.finish(await run(context, { kind: "insert", overwrite: overwrite === true }, json === true)),
    );
  tool
    .command("import", "take over HA-Lizard's parameters, or iSCSI-HA's; shows first")
    .helpGroup(PARAMETERS)
    .argument("[file]", "HA-Lizard's file, over its keys in the pool database")
    .option("--storage", "iSCSI-HA instead: the storage section of tandem.yaml")
    .option("--etc <folder>", "with --storage: where its files are", "/etc")
    .option("--into <file>", "with --storage: what to add it to", "/etc/tandem/tandem.yaml")
    .option("--write", "write them into the pool database, or into that file")
    .action(async (file: string | undefined, options: CommonOptions & Import) => {
      const [write, json] = [options.write === true, options.json === true];
      if (options.storage !== true) {
        const { importOld } = await import("./files.ts");
        return tool.finish(await importOld(context, { file, write, json }));
      }
      if (file !== undefined) {
        note(context, `Cannot use ${file} with --storage: expected its folder, as in --etc /root/old/etc`);
        return tool.finish(2);
      }
      const { importStorageFiles } = await import("./import-storage.ts");
      return tool.finish(await importStorageFiles(context, { ...options, write, json }));
    });
  tool
    .command("backup", "write parameters and flags of VMs into a file")
    .helpGroup(PARAMETERS)
    .argument("[file]", "without it to standard output; passwords are left out")
    .action(async (file: string | undefined, { json }: CommonOptions) => {
      const { backUp } = await import("./files.ts");
      tool.finish(await backUp(context, file, json === true));
    });
  tool
    .command("restore", "make parameters and flags of VMs as in a backup")
    .helpGroup(PARAMETERS)
    .argument("<file>", "what backup wrote")
    .option("--yes", "do not ask")
    .action(async (file: string, { json, yes }: CommonOptions & { yes?: boolean }) => {
      const caution = "CAUTION: parameters that are not in the backup get their defaults.";
      if (!(await agreed(context, caution, yes === true))) return tool.finish(1);
      const { restoreFrom } = await import("./files.ts");
      tool.finish(await restoreFrom(context, file, json === true));
    });
  destructive(
    PARAMETERS,
    "restore-default",
    "give every parameter of the pool its default",
    "CAUTION: every parameter of the pool is overwritten with its default.",
    { kind: "restore-default" },
  );
  destructive(
    PARAMETERS,
    "remove",
    "take all parameters out of the pool database",
    "CAUTION: every parameter of the pool, its passwords and its HA field are removed.",
    { kind: "remove" },
  );

  plain(ALERTS, "email", "send a test mail", { kind: "email" });
  tool
    .command("show-alerts", "list what a person should know of")
    .helpGroup(ALERTS)
    .action(async ({ json }: CommonOptions) => {
      const { showAlerts } = await import("./lists.ts");
      tool.finish(await showAlerts(context, json === true));
    });
  plain(ALERTS, "clear-alerts", "forget the alerts about what happened", { kind: "clear-alerts" });
  tool
    .command("raise-alert", "raise an alert, from a program of yours for example")
    .helpGroup(ALERTS)
    .argument("<text...>", "what the alert says")
    .action(async (words: string[], { json }: CommonOptions) =>
      tool.finish(await run(context, { kind: "raise-alert", text: words.join(" ") }, json === true)),
    );

  addVersion(tool, context).helpGroup(OTHER);
  addCompletion(tool, context).helpGroup(OTHER);
  for (const command of tool.program.commands) {
    const text = HELP[command.name()];
    if (text !== undefined) command.addHelpText("after", `\n${text}`);
  }
  return tool.main(argv);
}

interface Import {
  readonly storage?: boolean;
  readonly etc: string;
  readonly into: string;
  readonly write?: boolean;
}

const EVERYDAY = "Everyday:";
const VMS = "VMs:";
const PARAMETERS = "Parameters:";
const ALERTS = "Alerts:";
const OTHER = "Other:";

/** protocol.md 9: disabling HA while the peer is down is the person's risk, so it is named. */
const FORCED =
  "CAUTION: a host that cannot be reached keeps HA enabled until it hears of this. If it lives, it may fence this host or start its VMs: VMs can run twice.";

/** Names the risk; on a terminal it asks. */
async function agreed(context: CliContext, caution: string, yes: boolean): Promise<boolean> {
  note(context, caution);
  if (yes || !isInteractive(context)) return true;
  const { question } = await import("../ask-person.ts");
  if ((await question(context, "Go on all the same? <yes or Enter to quit> ")) === "yes") return true;
  note(context, "Nothing was done.");
  return false;
}
