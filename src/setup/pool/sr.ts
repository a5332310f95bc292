// The pool's storage repository on the floating IP. It must never make one on a LUN that holds one already: making it erases.

import { connect } from "node:net";
import {
  askOf,
  change,
  describePoolFailure,
  during,
  withPool,
  type Done,
  type PoolContext,
} from "../../act/pool/procedure.ts";
import type { PoolView, XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { SetupAnswers } from "../answers.ts";

export const ISCSI_PORT = 3260;
/** SM logs in, scans, makes the volume group and plugs both hosts. */
const CREATE_MS = 180_000;
const PROBE_MS = 60_000;

/** Somebody accepts a connection at the floating IP. */
export function isServed(address: string, timeoutMs = 1_000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: ISCSI_PORT, timeout: timeoutMs });
    const end = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket.on("connect", () => end(true));
    socket.on("timeout", () => end(false));
    socket.on("error", () => end(false));
  });
}

export async function ensureSr(
  context: PoolContext,
  answers: SetupAnswers,
): Promise<Result<{ readonly uuid: string; readonly was: "made" | "there" }, string>> {
  const made = await withPool(context, (session) => ensure(context, session, answers));
  return made.ok ? made : err(describePoolFailure(made.error));
}

async function ensure(
  context: PoolContext,
  session: XapiSession,
  answers: SetupAnswers,
): Promise<Done<{ uuid: string; was: "made" | "there" }>> {
  const present = await findSr(context, session, answers);
  if (!present.ok) return present;
  if (present.value !== null) return ok({ uuid: present.value, was: "there" });
  const pool = during("read the pool", await context.records.pool(session, askOf(context)));
  if (!pool.ok) return pool;
  const target = targetOf(answers);
  const scsi = await probeScsiId(context, session, pool.value.masterRef, target, answers.lun);
  if (!scsi.ok) return scsi;
  const config = { ...target, SCSIid: scsi.value };
  const holds = await probeSrs(context, session, pool.value.masterRef, config);
  if (!holds.ok) return holds;
  const old = /<SR>[\s\S]*?<UUID>\s*([0-9a-f-]{36})/.exec(holds.value)?.[1];
  if (old !== undefined)
    return err({
      kind: "refused",
      reason:
        `The LUN holds the storage repository ${old} already, and a new one would erase it; to use it again: ` +
        `xe sr-introduce uuid=${old} type=lvmoiscsi shared=true name-label="${answers.srName}" and xe pbd-create`,
    });
  const params = [
    pool.value.masterRef,
    config,
    0,
    answers.srName,
    "replicated by tandem",
    "lvmoiscsi",
    "user",
    true,
    {},
  ];
  const created = await change(context, `make the SR "${answers.srName}"`, session, "SR.create", params, CREATE_MS);
  if (!created.ok) return created;
  const found = await findSr(context, session, answers);
  if (!found.ok) return found;
  if (found.value === null)
    return err({ kind: "unverified", during: "make the SR", found: "no SR", expected: "one on every host" });
  return ok({ uuid: found.value, was: "made" });
}

interface OwnSr {
  readonly ref: string;
  readonly pbds: PoolView["pbds"];
}

/** The SR on our LUN, with its PBDs; null: there is none. Other LUNs of the target may carry SRs of their own. */
async function ownSr(context: PoolContext, session: XapiSession, answers: SetupAnswers): Promise<Done<OwnSr | null>> {
  const all = during("read the PBDs", await context.records.pbds(session, askOf(context)));
  if (!all.ok) return all;
  const onTarget = all.value.filter(
    ({ deviceConfig }) => deviceConfig["target"] === answers.vip && deviceConfig["targetIQN"] === answers.iqn,
  );
  if (onTarget.length === 0) return ok(null);
  const pool = during("read the pool", await context.records.pool(session, askOf(context)));
  if (!pool.ok) return pool;
  const scsi = await probeScsiId(context, session, pool.value.masterRef, targetOf(answers), answers.lun);
  if (!scsi.ok) return scsi;
  const pbds = onTarget.filter(({ deviceConfig }) => deviceConfig["SCSIid"] === scsi.value);
  const [first] = pbds;
  return ok(first === undefined ? null : { ref: first.sr, pbds });
}

const targetOf = ({ vip, iqn }: SetupAnswers): DeviceConfig => ({
  target: vip,
  targetIQN: iqn,
  port: String(ISCSI_PORT),
});

/** UUID of the SR on our LUN, whose PBDs are plugged on every host; null: there is none. */
async function findSr(context: PoolContext, session: XapiSession, answers: SetupAnswers): Promise<Done<string | null>> {
  const own = await ownSr(context, session, answers);
  if (!own.ok) return own;
  if (own.value === null) return ok(null);
  const { ref: sr, pbds } = own.value;
  for (const { ref, attached } of pbds) {
    if (attached) continue;
    const plugged = await change(context, "plug the SR", session, "PBD.plug", [ref], CREATE_MS);
    if (!plugged.ok) return plugged;
  }
  const srs = during("read the SRs", await context.records.srs(session, askOf(context)));
  return srs.ok ? ok(srs.value.find(({ ref }) => ref === sr)?.uuid ?? null) : srs;
}

type DeviceConfig = Readonly<Record<string, string>>;

/** What SM lists; it does so in an error where a parameter is left out (xe sr-probe shows the same). */
async function probeText(
  context: PoolContext,
  session: XapiSession,
  host: string,
  config: DeviceConfig,
): Promise<string> {
  const answer = await session.call("SR.probe", [host, config, "lvmoiscsi", {}], PROBE_MS, context.signal);
  if (answer.ok) return typeof answer.value === "string" ? answer.value : "";
  return answer.error.kind === "api" ? [answer.error.code, ...answer.error.params].join("\n") : "";
}

/**
 * The SRs on the LUN, as SM lists them; an empty list is `<SRlist>` too. Anything else (no answer, an error of SM, an SR in
 * use by a map) says nothing about the LUN, and what is not known to be empty must not be erased.
 */
async function probeSrs(
  context: PoolContext,
  session: XapiSession,
  host: string,
  config: DeviceConfig,
): Promise<Done<string>> {
  const text = during(
    "look whether the LUN holds an SR",
    await session.call("SR.probe", [host, config, "lvmoiscsi", {}], PROBE_MS, context.signal),
  );
  if (!text.ok) return text;
  if (typeof text.value === "string" && /<SRlist\b/.test(text.value)) return ok(text.value);
  return err({
    kind: "unverified",
    during: "look whether the LUN holds an SR",
    found: (typeof text.value === "string" ? text.value : JSON.stringify(text.value)).slice(0, 160),
    expected: "a list of SRs; nothing was made",
  });
}

async function probeScsiId(
  context: PoolContext,
  session: XapiSession,
  host: string,
  config: DeviceConfig,
  lun: number,
): Promise<Done<string>> {
  context.progress("look which disk the target shows");
  const text = await probeText(context, session, host, config);
  const id = scsiIdOf(text, lun);
  if (id !== null) return ok(id);
  const found = text === "" ? "no answer" : text.replaceAll(/\s+/g, " ").slice(0, 160);
  return err({
    kind: "unverified",
    during: `find LUN ${lun} of the target`,
    found,
    expected: "its SCSIid (xe sr-probe)",
  });
}

/** From SM's list of LUNs. */
export function scsiIdOf(text: string, lun: number): string | null {
  for (const [, block = ""] of text.matchAll(/<LUN>([\s\S]*?)<\/LUN>/g)) {
    const read = (tag: string): string | undefined =>
      new RegExp(`<${tag}>\\s*([^<\\s]+)\\s*</${tag}>`).exec(block)?.[1];
    if (Number(read("LUNid")) === lun) return read("SCSIid") ?? null;
  }
  return null;
}

/** Takes the SR out of the pool without touching what is on it. Refused while it holds disks of VMs. */
export async function forgetSr(
  context: PoolContext,
  answers: SetupAnswers,
): Promise<Result<"forgotten" | "none", string>> {
  const done = await withPool<"forgotten" | "none">(context, async (session) => {
    const own = await ownSr(context, session, answers);
    if (!own.ok) return own;
    if (own.value === null) return ok("none");
    const { ref: sr, pbds } = own.value;
    const disks = during("read the SR's disks", await session.call("SR.get_VDIs", [sr], context.readMs));
    if (!disks.ok) return disks;
    if (Array.isArray(disks.value) && disks.value.length > 0)
      return err({
        kind: "refused",
        reason: `The SR on ${answers.vip} holds ${disks.value.length} disks of VMs: move or delete them first`,
      });
    for (const { ref, attached } of pbds) {
      if (!attached) continue;
      const unplugged = await change(context, "unplug the SR", session, "PBD.unplug", [ref], CREATE_MS);
      if (!unplugged.ok) return unplugged;
    }
    const forgotten = await change(context, "forget the SR", session, "SR.forget", [sr], CREATE_MS);
    return forgotten.ok ? ok("forgotten") : forgotten;
  });
  return done.ok ? done : err(describePoolFailure(done.error));
}
