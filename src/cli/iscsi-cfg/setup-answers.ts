// From the options of `iscsi-cfg setup`, what both hosts say of themselves, and a few questions to the answers of a setup.
// It asks only where a person sits, and never guesses which disk to take.

import { isIP } from "node:net";
import { checkAnswers, DEVICE_PATTERN, type SetupAnswers, type SetupHost } from "../../setup/answers.ts";
import type { DiskSummary, HostIdentity } from "../../setup/facts.ts";
import type { PoolPlace } from "../../setup/pool/peer.ts";
import { describeProblem } from "../../config/problem.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { question } from "../ask-person.ts";
import { isInteractive, textColumns, type CliContext } from "../context.ts";
import { note } from "../request.ts";
import { size, wrap } from "../text.ts";

/** As they were typed. */
export interface SetupOptions {
  readonly disk: readonly string[];
  readonly address: readonly string[];
  readonly vip?: string;
  readonly interface?: string;
  readonly linkSpeed?: number;
  readonly iqn?: string;
  readonly lun?: number;
  readonly resource?: string;
  readonly device?: string;
  readonly port?: number;
  readonly srName?: string;
  readonly fullSync?: boolean;
}

export interface Pair {
  readonly place: PoolPlace;
  readonly own: HostIdentity;
  readonly peer: HostIdentity;
}

/** Room for a short answer on the line of the question. */
const ANSWER_COLUMNS = 20;
const isAddress = (typed: string): boolean => isIP(typed) !== 0;

interface Asked {
  readonly text: string;
  /** What an answer looks like. */
  readonly form: string;
  readonly isMeant: (typed: string) => boolean;
  readonly proposal?: string;
}

/** Asks again where the answer cannot be meant; empty: there was none. */
export async function askUntilMeant(
  context: CliContext,
  { text, form, isMeant, proposal = "" }: Asked,
): Promise<string> {
  const asked = wrap(`${text}${proposal === "" ? "" : ` [${proposal}]`}:`, textColumns - ANSWER_COLUMNS).join("\n");
  for (;;) {
    const typed = (await question(context, `${asked} `)) || proposal;
    if (isMeant(typed)) return typed;
    if (typed === "") return "";
    note(context, `"${typed}" cannot be meant: expected ${form}${proposal === "" ? " (Enter quits)" : ""}.`);
  }
}

/** The error is for people. At a terminal an answer that cannot be meant is asked for again, and none at all stops it. */
export async function collectAnswers(
  context: CliContext,
  options: SetupOptions,
  pair: Pair,
): Promise<Result<SetupAnswers, string>> {
  const { place, own, peer } = pair;
  const missing: string[] = [];
  const asks = isInteractive(context);
  let isStopped = false;
  const need = async (
    option: string,
    text: string,
    isMeant: (typed: string) => boolean,
    proposal = "",
  ): Promise<string> => {
    if (!asks) missing.push(option);
    if (!asks || isStopped) return "";
    const form = option.replace(/^--\S+ (?:[^=]*=)?/, "");
    const typed = await askUntilMeant(context, { text, form, isMeant, proposal });
    isStopped = typed === "";
    return typed;
  };
  const of = (list: readonly string[], host: HostIdentity): string | undefined => valueFor(list, host.name);
  const hosts: SetupHost[] = [];
  for (const host of [own, peer]) {
    const management = place.hosts.find(({ uuid }) => uuid === host.uuid)?.address ?? "";
    const links = host.links.flatMap(({ addresses }) => addresses.map(({ address }) => address));
    const candidates = links.filter((address) => address !== management);
    const address =
      of(options.address, host) ??
      (await need(
        `--address ${host.name}=IP`,
        `Address of ${host.name} on the link between the hosts (${candidates.join(", ") || "none found"})`,
        isAddress,
        candidates.length === 1 ? (candidates[0] ?? "") : "",
      ));
    const disk =
      of(options.disk, host) ??
      (await need(`--disk ${host.name}=/dev/…`, `Disk of ${host.name} for DRBD (${diskList(host.disks)})`, (typed) =>
        DEVICE_PATTERN.test(typed),
      ));
    const known = host.disks.find(({ path }) => path === disk);
    hosts.push({
      uuid: host.uuid,
      name: host.name,
      management,
      replication: address,
      disk: known?.stable ?? disk,
    });
  }
  const vipText =
    options.vip ??
    (await need("--vip IP/PREFIX", "Floating IP of the storage, with its prefix", (typed) =>
      isAddress(typed.replace(/\/\d{1,3}$/, "")),
    ));
  if (isStopped) return err("Nothing was changed: a question had no answer.");
  if (missing.length > 0)
    return err(`Cannot ask: found no terminal, expected ${missing.join(", ")} (see iscsi-cfg setup --help)`);
  const [vip = "", prefix] = vipText.split("/");
  const link = own.links.find(({ addresses }) => addresses.some(({ address }) => address === hosts[0]?.replication));
  const linkPrefix = link?.addresses.find(({ address }) => address === hosts[0]?.replication)?.prefix;
  const serial = place.poolUuid.replaceAll("-", "").slice(0, 12);
  const resource = options.resource ?? "iscsi1";
  const lun = options.lun ?? 10;
  const checked = checkAnswers({
    poolUuid: place.poolUuid,
    hosts,
    resource,
    device: options.device ?? "/dev/drbd1",
    drbdPort: options.port ?? 7789,
    vip,
    prefix: prefix === undefined ? (linkPrefix ?? 0) : Number(prefix),
    interface: options.interface ?? link?.device ?? "",
    iqn: options.iqn ?? `iqn.2026-11.tandem.pool:${resource}-${serial}`,
    lun,
    scsiId: `${serial}${String(lun).padStart(4, "0")}`,
    scsiSn: `${serial}${String(lun).padStart(4, "0")}`,
    linkMbit: options.linkSpeed ?? link?.speedMbit ?? 1_000,
    firstSync: "full",
    srName: options.srName ?? "tandem",
  });
  return checked.ok ? ok(checked.value) : err(checked.error.map(describeProblem).join("\n"));
}

/** `HOST=VALUE`, or one VALUE for both. */
function valueFor(list: readonly string[], host: string): string | undefined {
  const named = list.find((one) => one.startsWith(`${host}=`));
  if (named !== undefined) return named.slice(host.length + 1);
  return list.find((one) => !one.includes("="));
}

const diskList = (disks: readonly DiskSummary[]): string =>
  disks
    .filter(({ isFree }) => isFree)
    .map(({ path, sizeBytes }) => `${path} ${size(sizeBytes / 1024)}`)
    .join(", ") || "no free disk found";

/** What a repeated call names otherwise than the setup that is kept; empty: nothing. */
export function contradictions(
  options: SetupOptions,
  kept: SetupAnswers,
  own: HostIdentity,
  peer: HostIdentity,
): string[] {
  const differs: string[] = [];
  const compare = (option: string, typed: string | number | undefined, is: string | number): void => {
    if (typed !== undefined && String(typed) !== String(is)) differs.push(`${option} ${typed}, kept is ${is}`);
  };
  for (const host of [own, peer]) {
    const known = kept.hosts.find(({ uuid }) => uuid === host.uuid);
    if (known === undefined) continue;
    const disk = valueFor(options.disk, host.name);
    compare("--disk", host.disks.find(({ path }) => path === disk)?.stable ?? disk, known.disk);
    compare("--address", valueFor(options.address, host.name), known.replication);
  }
  compare("--vip", options.vip?.split("/")[0], kept.vip);
  compare("--interface", options.interface, kept.interface);
  compare("--link-speed", options.linkSpeed, kept.linkMbit);
  compare("--iqn", options.iqn, kept.iqn);
  compare("--lun", options.lun, kept.lun);
  compare("--resource", options.resource, kept.resource);
  compare("--device", options.device, kept.device);
  compare("--port", options.port, kept.drbdPort);
  compare("--sr-name", options.srName, kept.srName);
  return differs;
}
