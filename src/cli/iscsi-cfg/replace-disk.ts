// `iscsi-cfg replace-disk`: another disk of this host under DRBD, filled from the other one. What can be refused is refused
// before anything is written; then the disk is named wherever it is named, and only then put in its place. Must never touch
// what is on the new disk before its name was typed, nor DRBD of the other host.

import { DEVICE_PATTERN, type SetupHost, type SetupRecord } from "../../setup/answers.ts";
import type { DiskSummary } from "../../setup/facts.ts";
import type { PlanReport } from "../../setup/host.ts";
import { mayReplaceDisk, type Looked } from "../../setup/in-use.ts";
import type { Named } from "../../setup/look/new-disk.ts";
import { withHostDisk } from "../../setup/name-disk.ts";
import { byHand } from "../../setup/plan/new-disk.ts";
import { drbdResourcePath } from "../../setup/texts/drbd.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { isInteractive, type CliContext } from "../context.ts";
import { note, type ExitCode } from "../request.ts";
import { size } from "../text.ts";
import { codeOf, tell, type BringingUp } from "./bring-copy-up.ts";
import { askUntilMeant } from "./setup-answers.ts";
import type { Team } from "./setup.ts";

export interface ReplaceOptions {
  readonly disk?: string;
  readonly erase: readonly string[];
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** A disk for this host, named by a person or as the configuration has it. */
export interface Wanted {
  /** As the configuration is to be. */
  readonly record: SetupRecord;
  /** As this host is configured now. */
  readonly self: SetupHost;
  readonly disk: string;
  /** By --disk or by an answer: then it is written wherever the disk is named. */
  readonly isNamed: boolean;
}

export interface Configured extends Pick<Wanted, "record" | "self"> {
  /** Resources beside that of the record, which is the first. */
  readonly others: readonly string[];
}

/** What it works with: this host, and the other one by way of the pool. */
export interface ReplaceWorld {
  /** As this host is configured, and who it is in that. */
  configured(): Promise<Result<Configured, string>>;
  drbd(): Promise<Looked>;
  /** The other host's report. */
  peer(): Promise<Result<PlanReport, string>>;
  nameOf(named: Named): Promise<Result<string, string>>;
  /** The disk that DRBD runs on, where that is not this one; null: it is, or DRBD does not say. */
  otherHeld(resource: string, disk: string): Promise<string | null>;
  isThere(path: string): Promise<boolean>;
  freeDisks(host: string): Promise<readonly DiskSummary[]>;
  /** Why the disk cannot be taken; null: nothing speaks against it. */
  unfit(wanted: Wanted): Promise<string | null>;
  /** The plan on the screen. */
  show(wanted: Wanted): Promise<Result<"clear" | "obstacles", string>>;
  bringUp(wanted: Wanted, begin: NonNullable<BringingUp["begin"]>): Promise<Result<"done", string>>;
  team(): Promise<Result<Pick<Team, "peer" | "ask">, string>>;
  keepDisk(uuid: string, disk: string): Promise<Result<unknown, string>>;
  keepBackups(): Promise<Result<unknown, string>>;
  follow(resource: string): Promise<Result<unknown, string>>;
}

type Stop = { readonly code: ExitCode; readonly reason: string };
const stop = (code: ExitCode, reason: string): Result<never, Stop> => err({ code, reason });

export async function replaceDisk(
  context: CliContext,
  options: ReplaceOptions,
  world: ReplaceWorld,
): Promise<ExitCode> {
  const done = await replace(context, options, world);
  if (done.ok) return tell(context, done, options.json);
  return tell(context, err(done.error.reason), options.json, done.error.code);
}

async function replace(
  context: CliContext,
  options: ReplaceOptions,
  world: ReplaceWorld,
): Promise<Result<string, Stop>> {
  const configured = await world.configured();
  if (!configured.ok) return stop(1, configured.error);
  const { record, self, others } = configured.value;
  const { resource } = record.answers;
  if (self.disk === "") return stop(3, `Refused: ${notNamed(resource, self.name)}`);
  const about = { resource, configured: self.disk };
  const named = options.disk === undefined ? null : await world.nameOf({ ...about, typed: options.disk });
  if (named?.ok === false) return stop(3, `Refused: ${named.error}`);
  const which = named === null ? "none" : named.value === self.disk ? "configured" : "other";
  const peerView = async () => {
    const report = await world.peer();
    return report.ok ? ok(report.value.view) : report;
  };
  const looked = await world.drbd();
  const allowed = await mayReplaceDisk(resource, looked, peerView, which);
  if (!allowed.ok) return stop(3, refusalOf(resource, others, allowed.error));
  const isAttached = allowed.value === "attached";
  const held = isAttached ? await world.otherHeld(resource, self.disk) : null;
  if (held !== null) {
    const isWholeThere = looked.ok && looked.value.get(resource)?.peerDisk === "UpToDate";
    const first = isWholeThere
      ? `first: drbdadm detach ${resource}`
      : "the other host's copy is not UpToDate, so it has to stay; see iscsi-cfg status there";
    return stop(3, `Refused: ${resource} runs on ${held} still; ${first}`);
  }
  const isKnown = named !== null || isAttached || (await world.isThere(self.disk));
  const disk = isKnown ? ok(named?.value ?? self.disk) : await choose(context, world, { ...about, host: self.name });
  if (!disk.ok) return disk;
  const wanted: Wanted = {
    record: withHostDisk(record, self.uuid, disk.value),
    self,
    disk: disk.value,
    isNamed: named !== null || disk.value !== self.disk,
  };
  if (isAttached) return options.dryRun ? ok(`${resource} has ${disk.value} already`) : finish(context, world, wanted);
  const unfit = await world.unfit(wanted);
  if (unfit !== null) return stop(3, `Refused: ${unfit}`);
  if (!options.dryRun) return carryThrough(context, world, wanted);
  const shown = await world.show(wanted);
  if (!shown.ok) return stop(1, shown.error);
  if (shown.value === "obstacles") return stop(3, "Nothing was changed: mend what says STOP first.");
  return ok("Nothing was changed: this was a dry run.");
}

const notNamed = (resource: string, host: string): string =>
  `DRBD's configuration of ${resource} has no section "on ${host}" that names a disk (drbdadm dump ${resource}); ` +
  `there and in tandem.yaml the host has to bear the same name, on both hosts: that of uname -n`;

/** A person whose second resource lost its disk must not let go that of the first. */
function refusalOf(resource: string, others: readonly string[], why: string): string {
  const [other] = others;
  if (other === undefined) return why;
  return (
    `Refused: this command knows ${resource} alone, the first of tandem.yaml. For ${others.join(", ")} do nothing to ${resource}, ` +
    `but ${byHand(other, "/dev/disk/by-id/NEW")}. Of ${resource}: ${why.replace(/^Refused: /, "")}`
  );
}

/** The configured disk is gone: a person says which one is in its place, or nobody does. */
async function choose(
  context: CliContext,
  world: ReplaceWorld,
  { host, ...about }: Omit<Named, "typed"> & { readonly host: string },
): Promise<Result<string, Stop>> {
  const gone = `${about.configured}, the disk of ${about.resource} on ${host}, does not exist`;
  const free = (await world.freeDisks(host))
    .filter(({ isFree }) => isFree)
    .map(({ path, stable, sizeBytes }) => `${path}, ${size(sizeBytes / 1024)}${stable === null ? "" : `, ${stable}`}`);
  if (!isInteractive(context))
    return stop(
      2,
      `Cannot ask for the new disk: found no terminal, expected --disk DISK. ${gone}. Free here: ${free.join("; ") || "no disk"}`,
    );
  note(context, `${gone}. ${free.length === 0 ? "No free disk was found." : "Free disks:"}`);
  for (const one of free) note(context, `  ${one}`, "    ");
  const isMeant = (typed: string): boolean => DEVICE_PATTERN.test(typed);
  for (;;) {
    const typed = await askUntilMeant(context, { text: "The new disk, or Enter to quit", form: "/dev/…", isMeant });
    if (typed === "") return stop(1, "Nothing was changed.");
    const named = await world.nameOf({ ...about, typed });
    if (named.ok) return named;
    note(context, named.error, "  ");
  }
}

async function carryThrough(context: CliContext, world: ReplaceWorld, wanted: Wanted): Promise<Result<string, Stop>> {
  const named: (readonly string[])[] = [];
  const done = await world.bringUp(wanted, async () => {
    const begun = await nameElsewhere(context, world, wanted);
    if (begun.ok) named.push(begun.value);
    return begun;
  });
  if (done.ok) return finish(context, world, wanted, named[0]);
  const isBegun = wanted.isNamed && named.length > 0;
  const again = isBegun ? `. To go on: iscsi-cfg replace-disk --disk ${wanted.disk}` : "";
  return stop(codeOf(done.error), `${done.error}${again}`);
}

/** The disk is under DRBD. `named`: what is left to do elsewhere; without it that was not looked at in this run. */
async function finish(
  context: CliContext,
  world: ReplaceWorld,
  wanted: Wanted,
  named?: readonly string[],
): Promise<Result<string, Stop>> {
  const { disk, isNamed, record } = wanted;
  const { resource } = record.answers;
  const elsewhere = named === undefined ? await nameElsewhere(context, world, wanted) : ok(named);
  if (!elsewhere.ok) return stop(1, elsewhere.error);
  const remarks = [...elsewhere.value];
  const kept = isNamed ? await world.keepBackups() : ok("not named");
  if (!kept.ok) {
    remarks.push(
      `The backup in the pool's database is an older one (${kept.error}): iscsi-cfg backup makes a new one.`,
    );
    note(context, remarks.at(-1) ?? "", "  ");
  }
  const synced = await world.follow(resource);
  if (!synced.ok) return stop(1, [`${synced.error}.`, ...remarks].join("\n"));
  const summary = `${resource}: ${isNamed ? disk : "the new disk"} is up to date`;
  return remarks.length === 0 ? ok(summary) : stop(1, [`${summary}.`, ...remarks].join("\n"));
}

const NOT_KEPT = "Nothing was changed, because the pool's database has to take the new disk first";

/**
 * The setup that the pool keeps comes first: from it a setup that is run again writes the files. What then fails on the other
 * host stops no DRBD, which reads only its own host's disk there: this host's copy does not wait for it. Returns what is left.
 */
async function nameElsewhere(
  context: CliContext,
  world: ReplaceWorld,
  { record, self, disk, isNamed }: Wanted,
): Promise<Result<readonly string[], string>> {
  if (!isNamed) return ok([]);
  const team = await world.team();
  if (!team.ok) return err(`${NOT_KEPT}: ${team.error}`);
  const kept = await world.keepDisk(self.uuid, disk);
  if (!kept.ok) return err(`${NOT_KEPT}: ${kept.error}`);
  const { peer, ask } = team.value;
  note(context, `... ${peer.name}: the disk of ${self.name} in its resource file`, "    ");
  const there = await ask("disk", { disk: `${self.name}:${disk}` });
  if (there.ok) return ok([]);
  const left =
    `${peer.name} still names the old disk of ${self.name} in its ${drbdResourcePath(record.answers.resource)} ` +
    `(${there.error}). That stops nothing. Mend it with the same command, iscsi-cfg replace-disk --disk ${disk}, ` +
    `on ${self.name}; or by hand there: disk "${disk}"; in the section "on ${self.name}".`;
  note(context, left, "  ");
  return ok([left]);
}
