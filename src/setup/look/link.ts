// The link between the hosts: its device, its speed, whether it is a bond, who else was heard on it. Reads only.

import { readdir, readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { ExecPort } from "../../drivers/exec/port.ts";
import type { SetupHost } from "../answers.ts";
import type { LinkFacts, ReplicationFacts } from "../facts.ts";

const LOOK_MS = 5_000;

/** Devices that carry an address, loopback left out. */
export async function listLinks(sysfs = "/sys"): Promise<readonly LinkFacts[]> {
  const links: LinkFacts[] = [];
  for (const [device, addresses = []] of Object.entries(networkInterfaces())) {
    const own = addresses.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
    if (own.length === 0) continue;
    links.push({
      device,
      addresses: own.map(({ address, cidr }) => ({ address, prefix: Number(cidr?.split("/")[1] ?? 32) })),
      speedMbit: await speedOf(sysfs, device),
    });
  }
  return links;
}

export async function lookAtLink(
  exec: ExecPort,
  device: string,
  self: SetupHost,
  peer: SetupHost,
  sysfs = "/sys",
): Promise<ReplicationFacts> {
  const own = networkInterfaces()[device] ?? [];
  return {
    device,
    isBonded: await isBonded(exec, sysfs, device),
    speedMbit: await speedOf(sysfs, device),
    strangers: await strangers(exec, device, peer),
    hasAddress: own.some(({ address }) => address === self.replication),
  };
}

/** A bridge says nothing, or nonsense, about speed: then the fastest of what is plugged into it. */
async function speedOf(sysfs: string, device: string): Promise<number | null> {
  const own = await speedFile(sysfs, device);
  if (own !== null && (await membersOf(sysfs, device)).length === 0) return own;
  const speeds = await Promise.all((await physicalOf(sysfs, device)).map((one) => speedFile(sysfs, one)));
  const known = speeds.filter((one) => one !== null);
  return known.length === 0 ? own : Math.max(...known);
}

async function speedFile(sysfs: string, device: string): Promise<number | null> {
  const text = await readFile(join(sysfs, "class/net", device, "speed"), "utf8").catch(() => "");
  const speed = Number(text.trim());
  return speed > 0 && Number.isInteger(speed) ? speed : null;
}

/** Members of a kernel bridge or bond. */
async function membersOf(sysfs: string, device: string): Promise<readonly string[]> {
  const bridge = await readdir(join(sysfs, "class/net", device, "brif")).catch(() => []);
  const bond = await readFile(join(sysfs, "class/net", device, "bonding/slaves"), "utf8").catch(() => "");
  return [...bridge, ...bond.split(/\s+/).filter(Boolean)];
}

async function physicalOf(sysfs: string, device: string): Promise<readonly string[]> {
  const members = await membersOf(sysfs, device);
  const real = members.filter((one) => !/^(vif|tap)/.test(one));
  return real.length === 0 ? [device] : (await Promise.all(real.map((one) => physicalOf(sysfs, one)))).flat();
}

/** dom0's bridges are Open vSwitch's or the kernel's; a bond of either has two ports and more. */
async function isBonded(exec: ExecPort, sysfs: string, device: string): Promise<boolean | null> {
  const kernel = await readdir(join(sysfs, "class/net", device)).catch(() => null);
  if (kernel === null) return null;
  const members = [device, ...(await membersOf(sysfs, device))];
  const bonds = await Promise.all(
    members.map((one) => readFile(join(sysfs, "class/net", one, "bonding/slaves"), "utf8").catch(() => "")),
  );
  if (bonds.some((slaves) => slaves.split(/\s+/).filter(Boolean).length > 1)) return true;
  const options = { timeoutMs: LOOK_MS, lane: "look ovs" };
  const ports = await exec.run("ovs-vsctl", ["--timeout=4", "list-ports", device], options);
  if (ports.kind !== "exited" || ports.code !== 0) return false;
  const bonded = await exec.run("ovs-appctl", ["bond/list"], options);
  if (bonded.kind !== "exited" || bonded.code !== 0) return null;
  const names = bonded.stdout.split("\n").map((line) => line.split("\t")[0] ?? "");
  return ports.stdout.split("\n").some((port) => port !== "" && names.includes(port));
}

/** Neighbours of this device that are not the other host, by MAC. */
export function parseNeighbours(stdout: string, peerAddress: string): readonly string[] {
  const entries = stdout.split("\n").flatMap((line) => {
    const found = /^(\S+) .*?lladdr ([0-9a-f:]{17})/.exec(line);
    return found === null ? [] : [{ address: found[1] ?? "", mac: found[2] ?? "" }];
  });
  const peers = new Set(entries.filter(({ address }) => address === peerAddress).map(({ mac }) => mac));
  return [...new Set(entries.map(({ mac }) => mac).filter((mac) => !peers.has(mac)))];
}

async function strangers(exec: ExecPort, device: string, peer: SetupHost): Promise<readonly string[]> {
  const options = { timeoutMs: LOOK_MS, lane: "look neighbours" };
  const result = await exec.run("ip", ["neigh", "show", "dev", device], options);
  return result.kind === "exited" && result.code === 0 ? parseNeighbours(result.stdout, peer.replication) : [];
}
