// The preflight of the storage, from what one host looks like: what a failover needs and nobody notices until that day.
// Pure; the sentences are for people.

import type { Check } from "../drivers/control/answers.ts";
import type { SetupHost, SetupRecord } from "./answers.ts";
import type { HostFacts } from "./facts.ts";
import { drbdResourcePath } from "./texts/drbd.ts";
import { missingRules, rulesOf, toolsOf } from "./texts/firewall.ts";
import { LVM_CACHES, LVM_CONFS, lvmFaults } from "./texts/lvm.ts";
import { MULTIPATH_FILE } from "./texts/multipath.ts";

type Said = Omit<Check, "id" | "title">;
const fine = (found: string): Said => ({ outcome: "ok", found, next: "" });
const skip = (found: string): Said => ({ outcome: "skipped", found, next: "" });
const warn = (found: string, next: string): Said => ({ outcome: "warning", found, next });
const bad = (found: string, next: string): Said => ({ outcome: "failed", found, next });

const MEND = "iscsi-cfg setup --dry-run shows what is left to do";

interface Looked {
  readonly record: SetupRecord;
  readonly self: SetupHost;
  readonly peer: SetupHost;
  readonly facts: HostFacts;
}

/** The id and title of each check carry the host's name: both hosts are shown together. */
export function storageChecks(looked: Looked): readonly Check[] {
  const checks: readonly (readonly [id: string, title: string, look: (looked: Looked) => Said])[] = [
    ["disk", "disk under DRBD", disk],
    ["lvm-filter", "LVM filter", lvmFilter],
    ["lvm-cache", "LVM's cache", lvmCache],
    ["multipath", "multipath blacklist", multipath],
    ["firewall", "firewall", firewall],
    ["boot", "services at boot", boot],
    ["link", "replication link", link],
    ["link-wiring", "wiring of the link", wiring],
  ];
  const { name } = looked.self;
  return checks.map(([id, title, look]) => ({ id: `${name}/${id}`, title: `${name}, ${title}`, ...look(looked) }));
}

function disk({ facts, self, record }: Looked): Said {
  const { resource } = record.answers;
  if (facts.view === "unknown")
    return bad("DRBD does not answer: whether the disk is attached cannot be told", "drbdsetup status; see dmesg");
  if (facts.view !== null && facts.view.disk !== "Diskless") return fine(`${self.disk || resource} is attached`);
  if ("fault" in facts.disk) return bad(facts.disk.fault, "replace the disk, then: iscsi-cfg replace-disk");
  if (!facts.files.has(drbdResourcePath(resource))) return bad(`no DRBD resource ${resource} here`, MEND);
  if (!facts.disk.signatures.includes("drbd"))
    return bad(`${self.disk} carries no metadata of DRBD: it was replaced`, "iscsi-cfg replace-disk");
  return bad(`${self.disk} is not attached`, `drbdadm up ${resource}; see dmesg when that fails`);
}

function lvmFilter({ facts, record }: Looked): Said {
  const present = LVM_CONFS.flatMap((path) => {
    const found = facts.files.get(path);
    return found === undefined ? [] : [{ path, text: found.text }];
  });
  if (present.length === 0) return skip("no LVM configuration on this host");
  if ("fault" in facts.disk) return skip("the disk cannot be looked at");
  const names = { ...facts.disk, drbdDevice: record.answers.device };
  const faults = present.flatMap(({ path, text }) =>
    lvmFaults(text, names)
      .filter((fault) => !fault.startsWith("write_cache_state"))
      .map((fault) => `${path}: ${fault}`),
  );
  if (faults.length === 0) return fine("neither the disk nor DRBD's device is scanned");
  return bad(`${faults.join("; ")}: LVM would read the VMs' volumes past iSCSI`, MEND);
}

function lvmCache({ facts }: Looked): Said {
  const on = LVM_CONFS.filter((path) => {
    const text = facts.files.get(path)?.text;
    return text !== undefined && !/^[ \t]*write_cache_state[ \t]*=[ \t]*0\b/m.test(text);
  });
  const left = LVM_CACHES.filter((path) => facts.files.has(path));
  if (on.length > 0) return bad(`write_cache_state is not 0 in ${on.join(", ")}`, MEND);
  if (left.length > 0) return bad(`there is an old cache: ${left.join(", ")}`, `rm -f ${left.join(" ")}; vgscan`);
  return LVM_CONFS.some((path) => facts.files.has(path)) ? fine("off, and none is left") : skip("no LVM here");
}

function multipath({ facts }: Looked): Said {
  if (!facts.hasMultipath) return skip("no multipath on this host");
  const text = facts.files.get(MULTIPATH_FILE)?.text ?? "";
  if (/devnode\s+"\^drbd/.test(text)) return fine("DRBD's device and the disk below it are left alone");
  return warn("DRBD's device and its disk are not in the blacklist", MEND);
}

function firewall({ facts, record, peer }: Looked): Said {
  const families = toolsOf(peer).filter(({ file }) => facts.files.has(file));
  if (families.length === 0) return skip("nothing is filtered at boot: there is no /etc/sysconfig/iptables");
  const later = families.filter(
    ({ file, tool }) => missingRules(facts.files.get(file)?.text ?? "", rulesOf(record.answers, peer, tool)).length > 0,
  );
  const now = families.filter(({ tool }) => (facts.closedRules.get(tool) ?? []).length > 0);
  if (now.length > 0) return bad(`${peer.name} is not let in by the running filter`, MEND);
  if (later.length > 0)
    return warn(`${later.map(({ file }) => file).join(", ")} does not let ${peer.name} in after a boot`, MEND);
  return fine(`${peer.name} is let in: DRBD, iSCSI and the daemons`);
}

function boot({ facts }: Looked): Said {
  const enabled = facts.services.filter(({ isEnabled }) => isEnabled).map(({ unit }) => unit);
  if (enabled.length === 0) return fine("DRBD and the target are left to tandem");
  return bad(`${enabled.join(", ")} starts at boot, before it is known which host may serve`, MEND);
}

function link({ facts, self }: Looked): Said {
  const { device, hasAddress, speedMbit } = facts.link;
  if (!hasAddress) return bad(`${device} does not have ${self.replication}`, `ip addr show dev ${device}`);
  if (speedMbit === null) return fine(`${device}, ${self.replication}; its speed cannot be told`);
  if (speedMbit < 1_000) return warn(`${device} runs at ${speedMbit} Mbit/s`, "look at the cable and the ports");
  return fine(`${device}, ${self.replication}, ${speedMbit} Mbit/s`);
}

function wiring({ facts }: Looked): Said {
  const { device, isBonded, strangers } = facts.link;
  const remarks = [
    ...(isBonded === false ? [`${device} is no bond: one cable or port takes the replication down`] : []),
    ...(strangers.length > 0
      ? [`${device} is switched or shared: ${strangers.slice(0, 3).join(", ")} was heard on it`]
      : []),
  ];
  if (remarks.length > 0)
    return warn(remarks.join("; "), "two cables from host to host, bonded, are what the storage wants");
  return isBonded === null ? skip(`whether ${device} is a bond cannot be told`) : fine(`${device} is a bond`);
}
