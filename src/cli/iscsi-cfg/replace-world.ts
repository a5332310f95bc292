// What `iscsi-cfg replace-disk` works with on a host: the disk and DRBD here, the other host and the pool's database by xapi.
// Decides nothing.

import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { hostname } from "node:os";
import { readLocalFile } from "../../config/read-local-file.ts";
import { recordOfConfiguration } from "../../setup/existing.ts";
import { followSync } from "../../setup/first-sync.ts";
import { pairOf, planHere, type PlanReport } from "../../setup/host.ts";
import { deviceBytes, listDisks, lookAtDisk } from "../../setup/look/disk.ts";
import { heldByDrbd, nameOfDisk, standingOf } from "../../setup/look/new-disk.ts";
import { LOOK_MS } from "../../setup/look/look.ts";
import { keepDisk } from "../../setup/name-disk.ts";
import { hostParts } from "../../setup/parts.ts";
import { whyUnfit } from "../../setup/plan/new-disk.ts";
import type { FilesOf } from "../../setup/plan/plan.ts";
import { diskOf } from "../../setup/texts/drbd-disk.ts";
import { ok, type Result } from "../../util/result.ts";
import type { CliContext } from "../context.ts";
import { bringCopyUp, SYNC_MS, tellPlan } from "./bring-copy-up.ts";
import type { ReplaceOptions, ReplaceWorld, Wanted } from "./replace-disk.ts";
import { keepBoth, makeTeam, progressOf } from "./setup.ts";

export function replaceWorld(context: CliContext, { erase, json }: ReplaceOptions): ReplaceWorld {
  const parts = hostParts(progressOf(context));
  let made: ReturnType<typeof makeTeam> | null = null;
  const team = (): ReturnType<typeof makeTeam> => (made ??= makeTeam(context));
  let asked: Promise<Result<PlanReport, string>> | null = null;
  const peer = (): Promise<Result<PlanReport, string>> => (asked ??= askPeer());
  return {
    async configured() {
      const record = await recordOfConfiguration(parts.exec);
      if (!record.ok) return record;
      const pair = await pairOf(record.value);
      if (!pair.ok) return pair;
      const local = await readLocalFile();
      const resources = local.ok ? (local.value.storage?.luns ?? []).map((lun) => lun.resource) : [];
      const others = [...new Set(resources)].filter((one) => one !== record.value.answers.resource);
      return ok({ record: record.value, self: pair.value.self, others });
    },
    drbd: () => parts.drbd.observe(),
    peer,
    nameOf: (named) => nameOfDisk(named),
    otherHeld,
    isThere: async (path) => existsSync(path),
    async freeDisks(host) {
      const held = await heldByDrbd(parts.exec, host);
      return (await listDisks()).map((one) => ({ ...one, isFree: one.isFree && !held.has(one.path) }));
    },
    unfit,
    async show(wanted) {
      const planned = await planHere(parts, wanted.record, erase, filesOf(wanted));
      if (!planned.ok) return planned;
      tellPlan(context, planned.value, json);
      return ok(planned.value.plan.obstacles.length === 0 ? "clear" : "obstacles");
    },
    bringUp: (wanted, begin) =>
      bringCopyUp(context, parts, {
        record: wanted.record,
        files: filesOf(wanted),
        erase,
        json,
        standing: "nothing was changed",
        begin,
      }),
    team,
    keepDisk: (uuid, disk) => keepDisk(parts.context, uuid, disk),
    async keepBackups() {
      const both = await team();
      return both.ok ? keepBoth(both.value) : both;
    },
    follow: (resource) => followSync(parts, resource, SYNC_MS),
  };

  async function askPeer(): Promise<Result<PlanReport, string>> {
    const both = await team();
    if (!both.ok) return both;
    const there = await both.value.ask("plan");
    return there.ok ? ok(there.value as PlanReport) : there;
  }

  async function otherHeld(resource: string, disk: string): Promise<string | null> {
    const shown = await parts.exec.run("drbdsetup", ["show", resource], { timeoutMs: LOOK_MS });
    // What it shows of this host stands in a section of no host's name.
    const held = shown.kind === "exited" && shown.code === 0 ? diskOf(shown.stdout, resource, hostname()) : null;
    if (held === null || held === disk) return null;
    const [one, other] = await Promise.all([held, disk].map((path) => realpath(path).catch(() => path)));
    return one === other ? null : held;
  }

  async function unfit({ record, self, disk, isNamed }: Wanted): Promise<string | null> {
    const { resource, device } = record.answers;
    const looked = await lookAtDisk(parts.exec, disk);
    // Of the configured disk the plan says the same, with what to do.
    if (!looked.ok) return isNamed ? looked.error : null;
    const { kernelName } = looked.value;
    const about = { resource, configured: self.disk };
    const standing = await standingOf(parts.exec, { ...about, host: self.name, kernelName });
    if (!standing.ok) return standing.error;
    const neededBytes = (await deviceBytes(device)) ?? (await bytesThere());
    if (neededBytes === null && isNamed)
      return `neither host says how large ${resource} is, which ${disk} has to hold; install the same version of tandem on both hosts`;
    return whyUnfit({ disk: looked.value, ...about, ...standing.value, neededBytes });
  }

  async function bytesThere(): Promise<number | null> {
    const report = await peer();
    return report.ok ? (report.value.deviceBytes ?? null) : null;
  }
}

const filesOf = ({ self }: Wanted): Exclude<FilesOf, "write"> => ({ diskWas: self.disk });
