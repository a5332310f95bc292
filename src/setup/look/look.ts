// Collects the facts of this host. Reads only: nothing that it asks changes anything.

import { readFile, stat } from "node:fs/promises";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import type { DrbdPort } from "../../drivers/drbd/port.ts";
import type { ExecPort } from "../../drivers/exec/port.ts";
import { INVENTORY_FILE } from "../../config/read-local-file.ts";
import { parseInventory } from "../../config/inventory.ts";
import { VERSION } from "../../report/version.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { SetupAnswers, SetupHost } from "../answers.ts";
import type { FileFacts, HostFacts, HostIdentity, ServiceFacts } from "../facts.ts";
import { DRBD_CONF, DRBD_GLOBAL, drbdResourcePath } from "../texts/drbd.ts";
import { chainOf, rulesOf, toolsOf } from "../texts/firewall.ts";
import { LVM_CACHES, LVM_CONFS } from "../texts/lvm.ts";
import { MULTIPATH_FILE, MULTIPATH_FOLDER } from "../texts/multipath.ts";
import { LOCAL_CONFIG } from "../plan/plan.ts";
import { listDisks, lookAtDisk } from "./disk.ts";
import { listLinks, lookAtLink } from "./link.ts";

/** A dom0 under load: what cannot be asked in this time must not look like something that is missing. */
export const LOOK_MS = 30_000;
const TOOLS = [
  "drbdadm",
  "tgtd",
  "wipefs",
  "vgscan",
  "systemctl",
  "iptables",
  "ip6tables",
  "multipathd",
  "cmp",
] as const;
/** What distributions call the units that would start DRBD or the target by themselves. */
const UNITS = ["drbd", "tgtd", "tgt", "scsi-target-utils"] as const;
const PATHS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

export interface LookPorts {
  readonly exec: ExecPort;
  readonly drbd: DrbdPort;
}

const find = (tool: string): boolean => PATHS.some((folder) => existsSync(`${folder}/${tool}`));

/** Beside the installed programs' folder, or at the root of a checkout. */
export const handlerPath = (): string | null =>
  ["../agents", "../../agents", "../../../agents"]
    .map((agents) => fileURLToPath(new URL(`${agents}/drbd/fence-peer`, import.meta.url)))
    .find((path) => existsSync(path)) ?? null;

/** Its UUID in the pool; the error is a sentence. */
export async function ownUuid(): Promise<Result<string, string>> {
  const text = await readFile(INVENTORY_FILE, "utf8").catch(() => null);
  if (text === null) return err(`Cannot tell who this host is: ${INVENTORY_FILE} is not readable; is this a dom0?`);
  const inventory = parseInventory(text);
  return inventory.ok ? ok(inventory.value.hostId) : err(`Cannot tell who this host is: ${INVENTORY_FILE} has no UUID`);
}

export async function identify(): Promise<Result<HostIdentity, string>> {
  const uuid = await ownUuid();
  if (!uuid.ok) return uuid;
  const [links, disks] = await Promise.all([listLinks(), listDisks()]);
  return ok({ uuid: uuid.value, name: hostname(), version: VERSION, links, disks });
}

export async function lookAround(
  { exec, drbd }: LookPorts,
  answers: SetupAnswers,
  self: SetupHost,
  peer: SetupHost,
): Promise<HostFacts> {
  const tools = new Set<string>(TOOLS.filter(find));
  const paths = [
    DRBD_CONF,
    DRBD_GLOBAL,
    drbdResourcePath(answers.resource),
    LOCAL_CONFIG,
    MULTIPATH_FILE,
    ...LVM_CONFS,
    ...LVM_CACHES,
    ...toolsOf(peer).map(({ file }) => file),
  ];
  const files = new Map<string, FileFacts>();
  for (const path of paths) {
    const found = await readFacts(path);
    if (found !== null) files.set(path, found);
  }
  const disk = await lookAtDisk(exec, self.disk);
  const hasMetadata = disk.ok && disk.value.signatures.includes("drbd");
  const copy = await lookAtCopy({ exec, drbd }, tools, answers.resource, hasMetadata);
  const services = await Promise.all(UNITS.map((unit) => lookAtService(exec, unit)));
  return {
    tools,
    ...copy,
    disk: disk.ok ? disk.value : { fault: disk.error },
    files,
    services: services.filter((one) => one !== null),
    closedRules: await closedRules(exec, answers, peer, files, tools),
    multipathRuns: tools.has("multipathd") && (await isActive(exec, "multipathd")),
    hasMultipath: existsSync(MULTIPATH_FOLDER),
    link: await lookAtLink(exec, answers.interface, self, peer),
    handler: handlerPath(),
  };
}

export async function readFacts(path: string): Promise<FileFacts | null> {
  try {
    return { text: await readFile(path, "utf8"), mode: (await stat(path)).mode & 0o7777 };
  } catch {
    return null;
  }
}

/** The current generation of metadata that was never used (DRBD's UUID_JUST_CREATED). */
const JUST_CREATED = "0000000000000004";

export async function lookAtCopy(
  { exec, drbd }: LookPorts,
  tools: ReadonlySet<string>,
  resource: string,
  hasMetadata: boolean,
): Promise<Pick<HostFacts, "drbdMajor" | "moduleLoaded" | "view" | "isAnyUp" | "isJustCreated">> {
  const seen = await drbd.observe();
  const view = seen.ok ? (seen.value.get(resource) ?? null) : "unknown";
  const isAnyUp = !seen.ok || seen.value.size > 0;
  const version = tools.has("drbdadm") ? await drbd.version() : null;
  if (version === null || !version.ok)
    return { drbdMajor: null, moduleLoaded: false, view, isAnyUp, isJustCreated: false };
  const { module } = version.value;
  const moduleLoaded = module !== "not loaded";
  const drbdMajor = moduleLoaded ? majorOf(module) : await moduleOnDisk(exec);
  const isAttached = view !== null && view !== "unknown" && view.disk !== "Diskless";
  const generation = isAttached || (hasMetadata && view !== "unknown") ? await drbd.generation(resource) : null;
  const isJustCreated = generation?.ok === true && generation.value.current === JUST_CREATED;
  return { drbdMajor, moduleLoaded, view, isAnyUp, isJustCreated };
}

const majorOf = (version: string): 8 | 9 | null =>
  version.startsWith("8.4") ? 8 : version.startsWith("9.") ? 9 : null;

/** Only the first number of the version is asked for. */
async function moduleOnDisk(exec: ExecPort): Promise<8 | 9 | null> {
  const result = await exec.run("modinfo", ["-F", "version", "drbd"], { timeoutMs: LOOK_MS });
  return result.kind === "exited" && result.code === 0 ? majorOf(result.stdout.trim()) : null;
}

async function isActive(exec: ExecPort, unit: string): Promise<boolean> {
  const result = await exec.run("systemctl", ["is-active", "--quiet", unit], { timeoutMs: LOOK_MS });
  return result.kind === "exited" && result.code === 0;
}

/** Null: there is no such unit. */
async function lookAtService(exec: ExecPort, unit: string): Promise<ServiceFacts | null> {
  const result = await exec.run("systemctl", ["is-enabled", unit], { timeoutMs: LOOK_MS });
  if (result.kind !== "exited") return null;
  const word = result.stdout.trim().split("\n")[0] ?? "";
  if (!["enabled", "enabled-runtime", "disabled", "static", "masked", "indirect"].includes(word)) return null;
  return { unit, isEnabled: word.startsWith("enabled"), isActive: await isActive(exec, unit) };
}

/** By tool, the rules that the running filter does not have. Where no file is loaded at boot nothing is asked. */
async function closedRules(
  exec: ExecPort,
  answers: SetupAnswers,
  peer: SetupHost,
  files: ReadonlyMap<string, FileFacts>,
  tools: ReadonlySet<string>,
): Promise<HostFacts["closedRules"]> {
  const closed = new Map<string, readonly (readonly string[])[]>();
  for (const { file, tool } of toolsOf(peer)) {
    const found = files.get(file);
    if (found === undefined || !tools.has(tool)) continue;
    const lacking: (readonly string[])[] = [];
    for (const rule of rulesOf(answers, peer, tool)) {
      const result = await exec.run(tool, ["-C", chainOf(found.text), ...rule], { timeoutMs: LOOK_MS });
      if (result.kind === "exited" && result.code === 1) lacking.push(rule);
    }
    closed.set(tool, lacking);
  }
  return closed;
}
