// What the shape of a local file does not say: LUNs, addresses and hosts must fit one another. Pure.

import { isIP } from "node:net";
import type { HostEntry } from "./config.ts";
import type { LunEntry } from "./local-file.ts";
import type { Report } from "./local-report.ts";
import { isInside, isSameAddress, prefixOf } from "./network.ts";
import { quote } from "./problem.ts";
import type { Value } from "./value.ts";

export function checkLuns(report: Report, luns: readonly LunEntry[], resources: Value | undefined): void {
  const names = Array.isArray(resources) ? resources.map(String) : [];
  for (const [index, one] of luns.entries()) {
    if (names.length > 0 && !names.includes(one.resource)) {
      report.add(
        ["storage", "LUNS", index, "resource"],
        quote(one.resource),
        `one of DRBD_RESOURCES (${names.join(", ")})`,
        "correct it",
      );
    }
    const same = (key: "lun" | "device" | "scsiId" | "scsiSn"): boolean =>
      one[key] !== null && luns.findIndex((other) => other[key] === one[key]) < index;
    if (same("lun"))
      report.add(["storage", "LUNS", index, "lun"], `LUN ${one.lun} twice`, "each LUN once", "give it another number");
    if (same("device"))
      report.add(["storage", "LUNS", index, "device"], `${one.device} twice`, "each device once", "correct it");
    if (same("scsiId"))
      report.add(
        ["storage", "LUNS", index, "scsi_id"],
        `${quote(one.scsiId ?? "")} twice`,
        "each scsi_id once",
        "correct it",
      );
    if (same("scsiSn"))
      report.add(
        ["storage", "LUNS", index, "scsi_sn"],
        `${quote(one.scsiSn ?? "")} twice`,
        "each scsi_sn once",
        "correct it",
      );
  }
  for (const name of names) {
    if (luns.length > 0 && !luns.some((one) => one.resource === name)) {
      report.add(
        ["storage", "LUNS"],
        `no LUN of resource ${quote(name)}`,
        "a LUN for every resource",
        "add it, or take the resource out of DRBD_RESOURCES",
      );
    }
  }
}

export function checkFloatingAddress(
  report: Report,
  values: Readonly<Record<string, Value>>,
  hosts: readonly HostEntry[],
): void {
  const vip = values["DRBD_VIRTUAL_IP"];
  if (typeof vip !== "string") return;
  const path = ["storage", "DRBD_VIRTUAL_IP"];
  if (isIP(vip) === 0) {
    report.add(path, quote(vip), "an IPv4 or IPv6 address", "correct it");
    return;
  }
  for (const host of hosts) {
    for (const own of [host.management, host.replication]) {
      if (isSameAddress(vip, own))
        report.add(
          path,
          `${vip}, the address of host ${host.name}`,
          "an address of its own",
          "choose a free address of the replication network",
        );
    }
    if (isIP(vip) !== isIP(host.replication))
      report.add(
        path,
        vip,
        `the address family of ${host.replication}`,
        "use the same IP version on the replication network",
      );
  }
  const mask = values["DRBD_VIRTUAL_MASK"];
  const prefix = prefixOf(typeof mask === "string" ? mask : "", vip);
  if (prefix === undefined) {
    report.add(
      ["storage", "DRBD_VIRTUAL_MASK"],
      quote(String(mask)),
      "a netmask such as 255.255.255.0, or a prefix length",
      "correct it",
    );
    return;
  }
  const bits = isIP(vip) === 6 ? 128 : 32;
  for (const host of prefix === null || prefix === bits ? [] : hosts) {
    if (isIP(vip) === isIP(host.replication) && !isInside(host.replication, { address: vip, prefix: prefix ?? bits })) {
      report.add(
        path,
        `${vip}/${prefix}`,
        `the network of ${host.name}'s replication address ${host.replication}`,
        "correct the address or DRBD_VIRTUAL_MASK",
      );
    }
  }
}

export function checkHosts(report: Report, hosts: readonly HostEntry[]): void {
  const seen = new Map<string, string>();
  for (const [index, host] of hosts.entries()) {
    for (const key of ["uuid", "name", "management", "replication"] as const) {
      const text = host[key];
      const earlier = seen.get(text);
      if (earlier === undefined) seen.set(text, `hosts[${index}].${key}`);
      else
        report.add(
          ["hosts", index, key],
          `${quote(text)}, which is also ${earlier}`,
          "a value of its own",
          "correct one of the two",
        );
    }
  }
}
