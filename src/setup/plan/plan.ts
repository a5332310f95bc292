// Compares one host with what it should be and lists what is left to do, in order. Pure: facts in, steps out. A step that
// could destroy data is planned only when a person named the disk.

import {
  DRBD_CONF,
  DRBD_CONF_TEXT,
  DRBD_GLOBAL,
  DRBD_GLOBAL_TEXT,
  drbdResourcePath,
  drbdResourceText,
  includesResources,
} from "../texts/drbd.ts";
import { diskOf, withDisk } from "../texts/drbd-disk.ts";
import { chainOf, openFirewall, rulesOf, toolsOf } from "../texts/firewall.ts";
import { editLvm, LVM_CACHES, LVM_CONFS, lvmFaults } from "../texts/lvm.ts";
import { isOurs } from "../texts/marker.ts";
import { MULTIPATH_FILE, multipathText } from "../texts/multipath.ts";
import { tandemYamlText } from "../texts/tandem-yaml.ts";
import { parseLocalFile } from "../../config/local-file.ts";
import { INSTALL } from "../../report/packages.ts";
import type { DrbdView } from "../../core/model/drbd.ts";
import type { SetupHost, SetupRecord } from "../answers.ts";
import type { DiskFacts, HostFacts } from "../facts.ts";
import { dataOn } from "./data.ts";
import type { CommandStep, DataAtRisk, FileStep, HostPlan, Obstacle, Step } from "./step.ts";

export const LOCAL_CONFIG = "/etc/tandem/tandem.yaml";
const QUICK_MS = 20_000;
/** create-md writes the whole bitmap: 32 MB for each TB. */
const METADATA_MS = 600_000;

export interface PlanInput {
  readonly record: SetupRecord;
  /** UUID of the host that the plan is for. */
  readonly self: string;
  readonly facts: HostFacts;
  /** HOST:DISK names that a person typed. */
  readonly erase: readonly string[];
  readonly files: FilesOf;
}

/**
 * "keep": the configuration of DRBD and tandem is there already, from a backup or by other hands, and the copy on the disk is
 * this host's. `diskWas`: the configuration is there too, but the disk is a new one in the place of this, which it names.
 */
export type FilesOf = "write" | "keep" | { readonly diskWas: string };

interface Draft {
  readonly steps: Step[];
  readonly already: string[];
  readonly obstacles: Obstacle[];
}

export function planHost(input: PlanInput): HostPlan {
  const { record, facts } = input;
  const self = record.answers.hosts.find(({ uuid }) => uuid === input.self);
  const peer = record.answers.hosts.find(({ uuid }) => uuid !== input.self);
  const draft: Draft = { steps: [], already: [], obstacles: [] };
  if (self === undefined || peer === undefined) {
    const what = `this host (${input.self}) is not one of ${record.answers.hosts.map(({ name }) => name).join(", ")}`;
    draft.obstacles.push({ what, next: "run iscsi-cfg setup on one of them, or --undo there and set up anew" });
    return { host: input.self, ...draft, atRisk: null };
  }
  needs(draft, input);
  if (input.files === "write") files(draft, record, facts);
  else if (input.files !== "keep") newDisk(draft, record, self, facts, input.files.diskWas);
  firewall(draft, record, peer, facts);
  services(draft, facts);
  lvm(draft, record, facts);
  multipath(draft, facts);
  const atRisk = disk(draft, input, self);
  return { host: self.name, ...draft, atRisk };
}

/** Whether the configuration that is there names the kernel's own target. */
function hasKernelTarget(facts: HostFacts, hostId: string): boolean {
  const local = parseLocalFile(facts.files.get(LOCAL_CONFIG)?.text ?? "", { hostId, managementInterface: null });
  return local.ok && local.value.storage?.values["TARGET_BACKEND"] === "lio";
}

/** What a setup does not bring along. */
function needs({ obstacles }: Draft, { record: { answers }, facts, files: from, self }: PlanInput): void {
  const lacks = (tool: string, next: string): void => {
    if (!facts.tools.has(tool)) obstacles.push({ what: `there is no ${tool}`, next });
  };
  lacks("drbdadm", INSTALL.drbd);
  // A setup writes tgtd into the configuration; one that is there may name the kernel's own target.
  if (from === "write" || !hasKernelTarget(facts, self)) lacks("tgtd", INSTALL.tgt);
  lacks("wipefs", "install util-linux: without wipefs nobody can tell what is on a disk");
  if (facts.handler === null)
    obstacles.push({ what: "the fence-peer script of tandem is missing", next: "install the package again" });
  if (facts.tools.has("drbdadm") && facts.drbdMajor === null)
    obstacles.push({
      what: "the DRBD kernel module cannot be found",
      next: "install the module of this kernel (uname -r)",
    });
  if (!facts.link.hasAddress) {
    const what = `no ${answers.interface} with this host's replication address`;
    obstacles.push({ what, next: "correct --interface or --address; see: ip addr" });
  }
}

function wanted({ steps, already, obstacles }: Draft, facts: HostFacts, file: Omit<FileStep, "kind" | "before">): void {
  const found = facts.files.get(file.path);
  if (found?.text === file.content) return void already.push(file.path);
  if (found !== undefined && !isOurs(found.text)) {
    const what = `${file.path} is there and was not written by this setup`;
    return void obstacles.push({ what, next: `look into it; to give it up: mv ${file.path} ${file.path}.old` });
  }
  steps.push({ kind: "file", ...file, before: found?.text ?? null });
}

function files(draft: Draft, record: SetupRecord, facts: HostFacts): void {
  const { resource } = record.answers;
  const main = facts.files.get(DRBD_CONF);
  if (main !== undefined && includesResources(main.text)) draft.already.push(DRBD_CONF);
  else wanted(draft, facts, { title: "DRBD reads drbd.d", path: DRBD_CONF, content: DRBD_CONF_TEXT, mode: 0o644 });
  // Whatever a distribution wrote there: our resource says all of its options itself.
  if (facts.files.has(DRBD_GLOBAL)) draft.already.push(DRBD_GLOBAL);
  else wanted(draft, facts, { title: "DRBD's defaults", path: DRBD_GLOBAL, content: DRBD_GLOBAL_TEXT, mode: 0o644 });
  const flavour = { major: facts.drbdMajor ?? 8, handler: facts.handler ?? "" };
  const content = drbdResourceText(record, flavour);
  wanted(draft, facts, {
    title: `the DRBD resource ${resource}`,
    path: drbdResourcePath(resource),
    content,
    mode: 0o600,
  });
  const yaml = tandemYamlText(record.answers);
  wanted(draft, facts, { title: "tandem's own configuration", path: LOCAL_CONFIG, content: yaml, mode: 0o600 });
}

/** Nothing of the resource file but the line of this host's disk. */
function newDisk(
  { steps, already, obstacles }: Draft,
  { answers: { resource } }: SetupRecord,
  self: SetupHost,
  facts: HostFacts,
  was: string,
): void {
  const path = drbdResourcePath(resource);
  const stuck = (what: string): void => {
    const next = `give ${self.name} disk "${self.disk}"; in DRBD's configuration by hand, on both hosts; then iscsi-cfg replace-disk`;
    obstacles.push({ what, next });
  };
  if (was === self.disk) return void already.push(`${resource} names ${was}`);
  const found = facts.files.get(path);
  if (found === undefined) return stuck(`there is no ${path}`);
  const content = withDisk(found.text, { resource, host: self.name, was, disk: self.disk });
  if (!content.ok) return stuck(`${path}: ${content.error}`);
  if (content.value === found.text) return void already.push(path);
  steps.push({
    kind: "file",
    title: `the disk of ${self.name}`,
    path,
    content: content.value,
    mode: found.mode,
    before: found.text,
  });
}

const command = (
  title: string,
  argv: readonly [string, ...string[]],
  more: Partial<Pick<CommandStep, "deadlineMs" | "destroys" | "undo">> = {},
): CommandStep => ({ kind: "command", title, argv, deadlineMs: QUICK_MS, destroys: null, undo: null, ...more });

function firewall({ steps, already }: Draft, { answers }: SetupRecord, peer: SetupHost, facts: HostFacts): void {
  for (const { file, tool } of toolsOf(peer)) {
    const found = facts.files.get(file);
    // Without the file nothing is loaded at boot: there is no filter of dom0's to open.
    if (found === undefined) continue;
    const content = openFirewall(found.text, rulesOf(answers, peer, tool));
    if (content === found.text) already.push(file);
    else
      steps.push({
        kind: "file",
        title: "firewall, after a boot",
        path: file,
        content,
        mode: found.mode,
        before: found.text,
      });
    const chain = chainOf(found.text);
    for (const rule of facts.closedRules.get(tool) ?? [])
      steps.push(command("firewall, now", [tool, "-I", chain, "1", ...rule], { undo: [tool, "-D", chain, ...rule] }));
  }
}

/** The daemon decides when DRBD and the target run, and where: nothing else may start them. */
function services({ steps, already }: Draft, { services: found, isAnyUp }: HostFacts): void {
  for (const { unit, isEnabled, isActive } of found) {
    // Once a resource is up, whosever it is, the storage may be in use: what runs then is left running.
    const isToStop = isActive && !isAnyUp;
    if (isToStop)
      steps.push(command(`${unit} is for the daemon to start`, ["systemctl", "stop", unit], { deadlineMs: 120_000 }));
    if (isEnabled)
      steps.push(
        command(`${unit} is not started at boot`, ["systemctl", "disable", unit], {
          undo: ["systemctl", "enable", unit],
        }),
      );
    if (!isEnabled && !isToStop) already.push(`${unit} is left alone at boot`);
  }
}

function lvm({ steps, already }: Draft, { answers }: SetupRecord, facts: HostFacts): void {
  if ("fault" in facts.disk) return;
  const names = { ...facts.disk, drbdDevice: answers.device };
  let isEdited = false;
  for (const path of LVM_CONFS) {
    const found = facts.files.get(path);
    if (found === undefined) continue;
    if (lvmFaults(found.text, names).length === 0) {
      already.push(path);
      continue;
    }
    isEdited = true;
    const content = editLvm(found.text, names);
    steps.push({
      kind: "file",
      title: "LVM reads neither disk nor DRBD",
      path,
      content,
      mode: found.mode,
      before: found.text,
    });
  }
  const caches = LVM_CACHES.filter((path) => facts.files.has(path));
  if (caches.length > 0) steps.push(command("LVM forgets the devices it saw", ["rm", "-f", ...caches]));
  if ((isEdited || caches.length > 0) && facts.tools.has("vgscan"))
    steps.push(command("LVM looks again", ["vgscan"], { deadlineMs: 60_000 }));
}

function multipath(draft: Draft, facts: HostFacts): void {
  if (!facts.hasMultipath || "fault" in facts.disk) return;
  const before = draft.steps.length;
  const content = multipathText(facts.disk);
  wanted(draft, facts, { title: "multipath leaves both alone", path: MULTIPATH_FILE, content, mode: 0o644 });
  if (draft.steps.length > before && facts.multipathRuns)
    draft.steps.push(command("multipath reads that", ["multipathd", "reconfigure"]));
}

/** Module, metadata, attach. Returns the data that stands in the way of it. */
function disk(draft: Draft, { record, facts, erase, files: filesOf }: PlanInput, self: SetupHost): DataAtRisk | null {
  const { resource } = record.answers;
  if (!facts.moduleLoaded && facts.tools.has("drbdadm"))
    draft.steps.push(command("the DRBD module", ["modprobe", "drbd"]));
  const { view } = facts;
  if (view === "unknown") {
    const what = `DRBD does not say whether ${resource} is up: it may be in use`;
    draft.obstacles.push({ what, next: "run it again when drbdsetup status answers; see dmesg when it does not" });
    return null;
  }
  if (view?.disk === "Failed") {
    const what = `the disk under ${resource} failed, and DRBD holds it still (Failed)`;
    draft.obstacles.push({ what, next: `drbdadm detach ${resource}, a new disk, then iscsi-cfg replace-disk` });
    return null;
  }
  if (view !== null && view.disk !== "Diskless") {
    draft.already.push(`${resource} is up (${view.disk})`);
    return null;
  }
  if ("fault" in facts.disk) {
    const replaced = "iscsi-cfg replace-disk --disk /dev/disk/by-id/NEW";
    const next =
      filesOf === "write" ? `correct --disk; where the disk was replaced: ${replaced}` : `see lsblk; ${replaced}`;
    draft.obstacles.push({ what: facts.disk.fault, next });
    return null;
  }
  // This host's own: the other one may have a disk of the same path.
  const isConfigured =
    diskOf(facts.files.get(drbdResourcePath(resource))?.text ?? "", resource, self.name) === self.disk;
  const found = dataOn(facts.disk);
  const name = `${self.name}:${facts.disk.kernelName}`;
  // An earlier run of this setup, or a restore: the resource was written for this disk, and its copy is on it. On a new disk a
  // copy that was ever used is of another pair or of another time, whatever name the disk has.
  const mayBeOwn = typeof filesOf === "string" || facts.isJustCreated;
  const ownMetadata = isConfigured && mayBeOwn && facts.disk.signatures.includes("drbd");
  const inUse = [...facts.disk.mountedAt, ...facts.disk.holders];
  if (inUse.length > 0) {
    const what = `${self.disk} is in use: ${inUse.join(", ")}`;
    draft.obstacles.push({ what, next: "name another disk, or take it out of use first" });
    return null;
  }
  if (!ownMetadata) {
    if (found.length > 0 && !erase.includes(name)) return { name, found };
    // Before anything else: what is left of a run that broke off is then a blank disk, never a stranger's copy of ours.
    if (found.length > 0) draft.steps.unshift(...eraseSteps(facts.disk, self.disk, name));
    const argv = ["drbdadm", "--force", "create-md", resource] as const;
    draft.steps.push(command(`DRBD's metadata on ${self.disk}`, argv, { deadlineMs: METADATA_MS }));
  }
  draft.steps.push(bringUp(resource, view));
  return null;
}

/**
 * A resource that came up without its disk has its connection, or the daemon makes it at this moment: a second connect, as
 * adjust may order it, fails on the port (102). Only one that stands alone lacks it.
 */
function bringUp(resource: string, view: DrbdView | null): CommandStep {
  const down = { undo: ["drbdadm", "down", resource] } as const;
  if (view === null) return command(`${resource} comes up`, ["drbdadm", "up", resource], down);
  if (view.connection === "StandAlone") return command(`${resource} comes up`, ["drbdadm", "adjust", resource], down);
  const undo = ["drbdadm", "detach", resource] as const;
  return command(`${resource} gets its disk`, ["drbdadm", "attach", resource], { undo });
}

/** Partitions first: their signatures would come back into sight otherwise. */
function eraseSteps({ partitions }: DiskFacts, path: string, name: string): readonly CommandStep[] {
  const wipe = (device: string): CommandStep =>
    command(`ERASES ${device}`, ["wipefs", "--all", "--force", device], { destroys: name, deadlineMs: 60_000 });
  return [...partitions.map(wipe), wipe(path)];
}
