// `iscsi-cfg setup`: the storage of both hosts from a few answers. Shows what it would do, asks, does it on both, looks
// again. It must never begin on one host while something stands in the way on the other.

import type { HostStatus } from "../../core/model/status.ts";
import { askDaemon } from "../../drivers/control/client.ts";
import { controlSocketPath } from "../../drivers/control/path.ts";
import { newDrbdSecret, recordText, type SetupAnswers, type SetupRecord } from "../../setup/answers.ts";
import { recordOfConfiguration } from "../../setup/existing.ts";
import type { HostIdentity } from "../../setup/facts.ts";
import { told } from "../../setup/in-use.ts";
import { beginFirstSync, firstSyncOf, followSync } from "../../setup/first-sync.ts";
import { answerCall, readRecord, reportPlan, serve, type HostParts, type PlanReport } from "../../setup/host.ts";
import { identify } from "../../setup/look/look.ts";
import { hostParts } from "../../setup/parts.ts";
import { askHost, readPlace } from "../../setup/pool/peer.ts";
import type { PluginCall, PluginFunction } from "../../setup/pool/plugin.ts";
import { readPoolText, SETUP_RECORD, writePoolText } from "../../setup/pool/record.ts";
import { ensureSr, forgetSr, isServed } from "../../setup/pool/sr.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { question } from "../ask-person.ts";
import { isInteractive, type CliContext } from "../context.ts";
import { note, type ExitCode } from "../request.ts";
import { collectAnswers, contradictions, type SetupOptions } from "./setup-answers.ts";
import { planLines, summaryLines } from "./setup-text.ts";

export interface SetupFlags extends SetupOptions {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly erase: readonly string[];
  readonly sr: boolean;
  readonly json: boolean;
}

type Stop = { readonly code: ExitCode; readonly reason: string };
const stop = (code: ExitCode, reason: string): Result<never, Stop> => err({ code, reason });
const failed = <T>(result: Result<T, string>): Result<T, Stop> => (result.ok ? result : stop(1, result.error));

const SERVE_MS = 180_000;
/** Manual mode ends only where the storage is with the pool's master (spec part 5), and after an undo it is with nobody. */
const END_OF_MANUAL = "iscsi-cfg become-primary on the pool master, then iscsi-cfg manual-mode-disable on both hosts";
/** A full sync of a big disk takes a day. */
const SYNC_MS = 48 * 3_600_000;

export interface Team {
  readonly parts: HostParts;
  readonly own: HostIdentity;
  readonly peer: { readonly uuid: string; readonly name: string };
  ask(fn: PluginFunction, more?: Partial<Omit<PluginCall, "fn">>): Promise<Result<unknown, string>>;
}

export const progressOf =
  (context: CliContext) =>
  (text: string): void =>
    note(context, `... ${text}`, "    ");

/** This host, and the other one of the pool by way of xapi. */
export async function makeTeam(context: CliContext): Promise<Result<Team & { poolUuid: string }, string>> {
  const parts = hostParts(progressOf(context));
  const place = await readPlace(parts.context);
  if (!place.ok) return place;
  const own = await identify();
  if (!own.ok) return own;
  const others = place.value.hosts.filter(({ uuid }) => uuid !== own.value.uuid);
  const peer = others.length === 1 ? others[0] : await knownPeer(parts, others, own.value.uuid);
  if (peer === undefined || others.length === place.value.hosts.length)
    return err(
      `Cannot set up the storage of this pool: found ${place.value.hosts.length} hosts, expected two; ` +
        "in a larger pool write tandem.yaml and DRBD's resource by hand (see the example in the documents)",
    );
  return ok({
    parts,
    own: own.value,
    peer,
    poolUuid: place.value.poolUuid,
    ask: (fn, { erase = [], answers = null, ...more } = {}) =>
      askHost(parts.context, peer, { fn, erase, answers, ...more }),
  });
}

/**
 * In a larger pool: the other of the two hosts that hold the storage, from this host's configuration, or from the pool's
 * record where an undo took the configuration back already.
 */
async function knownPeer<T extends { readonly uuid: string }>(
  { exec, context }: HostParts,
  others: readonly T[],
  own: string,
): Promise<T | undefined> {
  const configured = await recordOfConfiguration(exec);
  const record = configured.ok ? configured : await readRecord(context);
  const uuid = record.ok ? record.value.answers.hosts.find((one) => one.uuid !== own)?.uuid : undefined;
  return others.find((one) => one.uuid === uuid);
}

export async function runSetup(context: CliContext, flags: SetupFlags): Promise<ExitCode> {
  const done = await setUp(context, flags);
  if (!done.ok) {
    if (flags.json) context.out(JSON.stringify({ kind: "failed", reason: done.error.reason }));
    for (const line of done.error.reason.split("\n")) note(context, line, "  ");
    return done.error.code;
  }
  if (flags.json) context.out(JSON.stringify({ kind: "setup", ...done.value }, null, 2));
  else note(context, done.value.summary);
  return 0;
}

interface Outcome {
  readonly summary: string;
  readonly plans: readonly PlanReport["plan"][];
}

async function setUp(context: CliContext, flags: SetupFlags): Promise<Result<Outcome, Stop>> {
  const team = await makeTeam(context);
  if (!team.ok) return stop(1, team.error);
  const kept = await keptOrAsked(context, flags, team.value);
  if (!kept.ok) return kept;
  const { record, isNew } = kept.value;
  const answers = isNew ? JSON.stringify(record.answers) : undefined;
  const looked = await plansOf(team.value, flags.erase, answers);
  if (!looked.ok) return stop(1, looked.error);
  const plans = looked.value.map(({ plan }) => plan);
  if (!flags.json && (flags.dryRun || plans.some(({ obstacles, atRisk }) => obstacles.length > 0 || atRisk !== null)))
    context.out(planLines(plans).join("\n"));
  if (plans.some(({ obstacles }) => obstacles.length > 0))
    return stop(3, "Nothing was changed: mend what says STOP first, on both hosts.");
  const erase = await agreedErasures(context, flags, plans);
  if (!erase.ok) return erase;
  if (flags.dryRun) return ok({ summary: "Nothing was changed: this was a dry run.", plans });
  const isDone = plans.every(({ steps, atRisk }) => steps.length === 0 && atRisk === null);
  if (!isDone) {
    const agreed = await goOn(context, flags, plans);
    if (!agreed.ok) return agreed;
  }
  const firstSync = firstSyncOf(isNew ? null : record.answers.firstSync, plans, flags.fullSync === true);
  const final: SetupRecord = { ...record, answers: { ...record.answers, firstSync } };
  // Before anything is done: a run that goes on after this one broke off must not take the copies for equal.
  if (isNew || firstSync !== record.answers.firstSync) {
    const written = await writePoolText(team.value.parts.context, SETUP_RECORD, recordText(final));
    if (!written.ok) return stop(1, written.error);
  }
  return carryThrough(team.value, flags, final.answers, erase.value);
}

/** The setup that the pool keeps, or a new one. */
async function keptOrAsked(
  context: CliContext,
  flags: SetupFlags,
  team: Team & { readonly poolUuid: string },
): Promise<Result<{ readonly record: SetupRecord; readonly isNew: boolean }, Stop>> {
  const peer = failed(await team.ask("identify"));
  if (!peer.ok) return peer;
  const other = peer.value as HostIdentity;
  if (other.version !== team.own.version)
    return stop(
      1,
      `${other.name} has version ${other.version} of tandem, this host ${team.own.version}: install the same`,
    );
  const text = failed(await readPoolText(team.parts.context, SETUP_RECORD));
  if (!text.ok) return text;
  if (text.value !== null) {
    const record = failed(await readRecord(team.parts.context));
    if (!record.ok) return record;
    const differs = contradictions(flags, record.value.answers, team.own, other);
    if (differs.length === 0) return ok({ record: record.value, isNew: false });
    const isDisk = differs.some((one) => one.startsWith("--disk"));
    const replaced = isDisk ? " Where a disk was replaced, on its host: iscsi-cfg replace-disk --disk DISK." : "";
    return stop(
      3,
      `This pool was set up already: ${differs.join("; ")}. Leave the options out, or iscsi-cfg setup --undo.${replaced}`,
    );
  }
  const place = failed(await readPlace(team.parts.context));
  if (!place.ok) return place;
  const answers = await collectAnswers(context, flags, { place: place.value, own: team.own, peer: other });
  if (!answers.ok) return stop(2, answers.error);
  return ok({ record: { answers: answers.value, drbdSecret: newDrbdSecret() }, isNew: true });
}

async function plansOf(
  team: Team,
  erase: readonly string[],
  answers: string | undefined,
): Promise<Result<readonly PlanReport[], string>> {
  const [own, peer] = await Promise.all([
    reportPlan(team.parts, erase, answers ?? null),
    team.ask("plan", { erase, ...(answers === undefined ? {} : { answers }) }),
  ]);
  if (!own.ok) return own;
  return peer.ok ? ok([own.value, peer.value as PlanReport]) : peer;
}

/** Each disk by its name, typed by a person or given to --erase. */
async function agreedErasures(
  context: CliContext,
  flags: SetupFlags,
  plans: readonly PlanReport["plan"][],
): Promise<Result<readonly string[], Stop>> {
  const agreed = [...flags.erase];
  for (const { atRisk } of plans) {
    if (atRisk === null) continue;
    if (flags.dryRun) {
      note(context, `Without --erase ${atRisk.name} nothing is done.`);
      continue;
    }
    const what = `${atRisk.name} holds data (${atRisk.found.join(", ")})`;
    if (!isInteractive(context))
      return stop(3, `Refused: ${what}. Nothing was changed. To erase it: --erase ${atRisk.name}`);
    note(context, `${what}. It would be ERASED.`);
    const typed = await question(context, `Type ${atRisk.name} to erase it, or Enter to quit: `);
    if (typed !== atRisk.name) return stop(3, "Nothing was changed.");
    agreed.push(atRisk.name);
  }
  return ok(agreed);
}

async function goOn(
  context: CliContext,
  flags: SetupFlags,
  plans: readonly PlanReport["plan"][],
): Promise<Result<"yes", Stop>> {
  if (flags.yes) return ok("yes");
  if (!isInteractive(context))
    return stop(2, "Cannot ask whether to go on: found no terminal, expected --yes (or --dry-run)");
  context.out(summaryLines(plans).join("\n"));
  const typed = await question(context, "Do this? <yes or Enter to quit> ");
  return typed === "yes" ? ok("yes") : stop(1, "Nothing was changed.");
}

async function carryThrough(
  team: Team,
  flags: SetupFlags,
  answers: SetupAnswers,
  erase: readonly string[],
): Promise<Result<Outcome, Stop>> {
  const { parts, peer } = team;
  const { progress } = parts;
  progress(`${peer.name}: its part`);
  const there = failed(await team.ask("apply", { erase }));
  if (!there.ok) return there;
  const here = failed(await answerCall(parts, { fn: "apply", erase, answers: null }));
  if (!here.ok) return here;
  const reports = [here.value, there.value] as readonly PlanReport[];
  const synced = failed(await beginFirstSync(parts, answers, reports));
  if (!synced.ok) return synced;
  const served = failed(await serveBoth(team, answers));
  if (!served.ok) return served;
  const sr = flags.sr ? failed(await ensureSr(parts.context, answers)) : null;
  if (sr?.ok === false) return sr;
  const kept = failed(await keepBoth(team));
  if (!kept.ok) return kept;
  if (synced.value === "runs") {
    const agreed = failed(await followSync(parts, answers.resource, SYNC_MS));
    if (!agreed.ok) return agreed;
  }
  const repository =
    sr === null ? "" : `; the SR is ${sr.value.uuid} (${sr.value.was === "made" ? "new" : "as it was"})`;
  const summary = `The storage serves at ${answers.vip} from both hosts' disks${repository}. Next: iscsi-cfg check, ha-cfg check, ha-cfg enable.`;
  return ok({ summary, plans: reports.map(({ plan }) => plan) });
}

/** The daemons decide who serves; they need one another for that, also where one of them serves already. */
export async function serveBoth(
  team: Pick<Team, "ask"> & { readonly parts: Pick<HostParts, "exec" | "progress" | "clock"> },
  { vip }: Pick<SetupAnswers, "vip">,
  served: (address: string) => Promise<boolean> = isServed,
  isManual: () => Promise<boolean> = async () => (await ownStatus(controlSocketPath))?.flags.manual === true,
): Promise<Result<"served", string>> {
  const there = await team.ask("serve");
  if (!there.ok) return there;
  const here = await serve(team.parts);
  if (!here.ok) return here;
  team.parts.progress(`waits until ${vip} serves`);
  const { clock } = team.parts;
  const end = clock.now() + SERVE_MS;
  let told = false;
  while (clock.now() < end) {
    if (await served(vip)) return ok("served");
    if (!told && (await isManual())) {
      told = true;
      team.parts.progress(`manual mode is on: ${END_OF_MANUAL}`);
    }
    await clock.sleep(1_000);
  }
  return err(
    `${vip} is not served after ${SERVE_MS / 1000} s; see iscsi-cfg status and iscsi-cfg log on both hosts (in manual mode: ${END_OF_MANUAL})`,
  );
}

/** Both hosts' configuration into the pool's database. */
export async function keepBoth(team: Team): Promise<Result<"kept", string>> {
  const here = await answerCall(team.parts, { fn: "keep", erase: [], answers: null });
  if (!here.ok) return err(here.error);
  const there = await team.ask("keep");
  return there.ok ? ok("kept") : there;
}

/** Takes everything back but the data: DRBD's metadata and what the disks hold stay. */
export async function undoSetup(context: CliContext, yes: boolean): Promise<ExitCode> {
  if (await haIsOn(context)) {
    note(context, "HA is on, and nothing was changed. First: ha-cfg disable. Then run this again.");
    return 3;
  }
  const team = await makeTeam(context);
  if (!team.ok) return tellFailure(context, team.error);
  const { parts, peer, own } = team.value;
  const record = await readRecord(parts.context);
  if (!record.ok) return tellFailure(context, record.error);
  if (!yes) {
    if (!isInteractive(context)) {
      note(context, "Cannot ask whether to go on: found no terminal, expected --yes");
      return 2;
    }
    const typed = await question(
      context,
      `Take the setup of ${own.name} and ${peer.name} back? <yes or Enter to quit> `,
    );
    if (typed !== "yes") return tellFailure(context, "Nothing was changed.");
  }
  const forgotten = await forgetSr(parts.context, record.value.answers);
  if (!forgotten.ok) return tellFailure(context, forgotten.error);
  // Only now: an SR is unplugged while its target still answers.
  const inUse = await primaryOf(team.value, record.value.answers.resource);
  if (!inUse.ok) return tellFailure(context, inUse.error);
  if (inUse.value !== null) {
    note(
      context,
      `The SR is forgotten (a new setup makes it again); the storage is still in use on ${inUse.value}. First: iscsi-cfg manual-mode-enable on both hosts; iscsi-cfg become-secondary on ${inUse.value}. Ten seconds later run this again.`,
    );
    return 3;
  }
  // Some are told only once: not a word of them may wait for the other host's part to go well.
  let remarks = 0;
  const tellRemarks = (name: string, found: readonly string[]): void => {
    remarks += found.length;
    for (const one of found) note(context, `${name}: ${one}`, "  ");
  };
  const there = await team.value.ask("undo");
  if (!there.ok) return tellFailure(context, there.error);
  tellRemarks(peer.name, there.value as readonly string[]);
  const here = await answerCall(parts, { fn: "undo", erase: [], answers: null });
  if (!here.ok) return tellFailure(context, here.error);
  tellRemarks(own.name, here.value as readonly string[]);
  if (remarks > 0) return tellFailure(context, "Not everything was taken back: see above, then run it again.");
  const removed = await writePoolText(parts.context, SETUP_RECORD, "");
  if (!removed.ok) return tellFailure(context, removed.error);
  const disks = record.value.answers.hosts.map(({ name, disk }) => `${disk} of ${name}`).join(" and ");
  note(
    context,
    `Taken back. What is on ${disks} was not touched. Manual mode stays; after a new setup: ${END_OF_MANUAL}.`,
  );
  return 0;
}

/** Before anything is taken back; a daemon that does not answer acts on nothing either, and its own stop is refused later. */
async function haIsOn({ socketPath }: CliContext): Promise<boolean> {
  const own = await ownStatus(socketPath);
  return own !== null && own.ha !== "off";
}

/** What this host's daemon says of it; null: it does not answer. */
async function ownStatus(path: string): Promise<HostStatus | null> {
  const answer = await askDaemon({ kind: "status" }, { path, silenceMs: 3_000 });
  return answer.ok && answer.value.kind === "status" ? answer.value.status.own : null;
}

/** The host on which the resource is Primary; null: on neither. */
export async function primaryOf(
  { parts, own, peer, ask }: Pick<Team, "own" | "peer" | "ask"> & { readonly parts: Pick<HostParts, "drbd"> },
  resource: string,
): Promise<Result<string | null, string>> {
  const views = told(await parts.drbd.observe());
  if (!views.ok) return views;
  if (views.value.get(resource)?.role === "Primary") return ok(own.name);
  const there = await ask("plan");
  if (!there.ok) return there;
  const { view } = there.value as PlanReport;
  if (view === "unknown")
    return err(
      `Cannot tell whether the storage is in use on ${peer.name}: DRBD does not answer there; see dmesg there`,
    );
  return ok(view?.role === "Primary" ? peer.name : null);
}

function tellFailure(context: CliContext, reason: string): ExitCode {
  note(context, reason, "  ");
  return 1;
}
