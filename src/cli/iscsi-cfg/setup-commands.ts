// The commands about the configuration of the storage on both hosts: setup, check, backup, restore, replace-disk. Declares
// them; the work is loaded when one of them is called.

import { InvalidArgumentError } from "commander";
import type { CliContext } from "../context.ts";
import type { CommonOptions, Tool } from "../program.ts";
import { parseCount } from "../shared-commands.ts";
import type { ReplaceOptions } from "./replace-disk.ts";
import type { SetupOptions } from "./setup-answers.ts";

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];
const collectErasure = (value: string, before: readonly string[]): readonly string[] => {
  if (!/^[A-Za-z0-9_.-]+:\/dev\/[A-Za-z0-9_./-]+$/.test(value))
    throw new InvalidArgumentError("expected HOST:DISK, such as xcp1:/dev/sdb");
  return collect(value, before);
};

interface SetupGiven extends CommonOptions, SetupOptions {
  readonly erase: readonly string[];
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly undo: boolean;
  readonly sr: boolean;
}

export function addSetupCommands(tool: Tool, context: CliContext): void {
  tool
    .command("setup", "set up the storage of both hosts: DRBD, target, LVM, firewall, SR")
    .option("--disk <[host=]disk>", "the disk under DRBD; once for each host", collect, [])
    .option("--address <host=ip>", "address on the link between the hosts; once each", collect, [])
    .option("--vip <ip/prefix>", "floating IP of the storage, in the link's network")
    .option("--interface <device>", "device of the link; that which has the address")
    .option("--link-speed <mbit>", "speed of the link; as its driver says", parseCount(10, 400_000))
    .option("--iqn <name>", "name of the target; made from the pool's UUID")
    .option("--lun <number>", "number of the disk in the target; 10", parseCount(1, 255))
    .option("--resource <name>", "DRBD's resource; iscsi1")
    .option("--device <device>", "DRBD's device; /dev/drbd1")
    .option("--port <number>", "DRBD's TCP port; 7789", parseCount(1, 65_535))
    .option("--sr-name <name>", "name of the SR; tandem")
    .option("--no-sr", "make no storage repository")
    .option("--full-sync", "copy everything once although both disks are blank")
    .option("--erase <host:disk>", "agree to the loss of what is on this disk", collectErasure, [])
    .option("--dry-run", "show every file and command, change nothing", false)
    .option("--yes", "do not ask whether to go on", false)
    .option("--undo", "take a setup back; data on the disks stays", false)
    .action(async ({ json, undo, ...given }: SetupGiven) => {
      const { runSetup, undoSetup } = await import("./setup.ts");
      tool.finish(
        undo ? await undoSetup(context, given.yes) : await runSetup(context, { ...given, json: json === true }),
      );
    });
  tool
    .command("check", "try what the storage of both hosts needs for a failover")
    .action(async ({ json }: CommonOptions) => {
      const { checkStorage } = await import("./keeping.ts");
      tool.finish(await checkStorage(context, json === true));
    });
  tool
    .command("backup", "keep both hosts' storage configuration in the pool database")
    .action(async ({ json }: CommonOptions) => {
      const { backUpStorage } = await import("./keeping.ts");
      tool.finish(await backUpStorage(context, json === true));
    });
  tool
    .command("restore", "bring this host's storage configuration back, and its copy")
    .option("--erase <host:disk>", "agree to the loss of what is on this disk", collectErasure, [])
    .option("--dry-run", "show what would be done, change nothing", false)
    .action(async ({ json, ...given }: CommonOptions & { erase: readonly string[]; dryRun: boolean }) => {
      const { restoreStorage } = await import("./keeping.ts");
      tool.finish(await restoreStorage(context, { ...given, json: json === true }));
    });
  tool
    .command("replace-disk", "put a new disk of this host under DRBD and resync it")
    .option("--disk <disk>", "the new disk; the configured path when left out, asked where it is gone")
    .option("--erase <host:disk>", "agree to the loss of what is on this disk", collectErasure, [])
    .option("--dry-run", "show what would be done here, change nothing", false)
    .action(async ({ json, ...given }: CommonOptions & Omit<ReplaceOptions, "json">) => {
      const { replaceDisk } = await import("./replace-disk.ts");
      const { replaceWorld } = await import("./replace-world.ts");
      const options = { ...given, json: json === true };
      tool.finish(await replaceDisk(context, options, replaceWorld(context, options)));
    });
}
