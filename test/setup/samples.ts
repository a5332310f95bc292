// Answers and facts of an ordinary pool, for the tests of the setup.

import type { SetupAnswers, SetupRecord } from "../../src/setup/answers.ts";
import type { DiskFacts, FileFacts, HostFacts } from "../../src/setup/facts.ts";

export const XCP1 = "11111111-1111-4111-8111-111111111111";
export const XCP2 = "22222222-2222-4222-8222-222222222222";

export const ANSWERS: SetupAnswers = {
  poolUuid: "99999999-9999-4999-8999-999999999999",
  hosts: [
    {
      uuid: XCP1,
      name: "xcp1",
      management: "192.168.1.241",
      replication: "10.10.10.1",
      disk: "/dev/disk/by-id/wwn-0x5a",
    },
    { uuid: XCP2, name: "xcp2", management: "192.168.1.242", replication: "10.10.10.2", disk: "/dev/sdb" },
  ],
  resource: "iscsi1",
  device: "/dev/drbd1",
  drbdPort: 7789,
  vip: "10.10.10.3",
  prefix: 24,
  interface: "xapi0",
  iqn: "iqn.2026-11.tandem.pool:iscsi1-999999999999",
  lun: 10,
  scsiId: "9999999999990010",
  scsiSn: "9999999999990010",
  linkMbit: 10_000,
  firstSync: "skip",
  srName: "tandem",
};

export const SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef";
export const RECORD: SetupRecord = { answers: ANSWERS, drbdSecret: SECRET };

export const BLANK_DISK: DiskFacts = {
  path: "/dev/disk/by-id/wwn-0x5a",
  kernelName: "/dev/sdb",
  stable: ["/dev/disk/by-id/wwn-0x5a"],
  sizeBytes: 4 * 2 ** 40,
  signatures: [],
  mountedAt: [],
  holders: [],
  partitions: [],
  hasUnknownContent: false,
};

/** As a dom0's installer leaves it. */
export const IPTABLES = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:RH-Firewall-1-INPUT - [0:0]
-A INPUT -j RH-Firewall-1-INPUT
-A RH-Firewall-1-INPUT -i lo -j ACCEPT
-A RH-Firewall-1-INPUT -p icmp --icmp-type any -j ACCEPT
-A RH-Firewall-1-INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A RH-Firewall-1-INPUT -m conntrack --ctstate NEW -m tcp -p tcp --dport 22 -j ACCEPT
-A RH-Firewall-1-INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
`;

export const LVM_CONF = `# comment: filter = [ "a|.*|" ]
devices {
    dir = "/dev"
    # filter = [ "r|/dev/cdrom|" ]
    filter = [ "r|/dev/xvd.|", "r|/dev/VG_Xen.*/*|" ]
    write_cache_state = 1
}
`;

export const files = (more: Readonly<Record<string, string>> = {}): ReadonlyMap<string, FileFacts> =>
  new Map(
    Object.entries({ "/etc/lvm/lvm.conf": LVM_CONF, "/etc/sysconfig/iptables": IPTABLES, ...more }).map(
      ([path, text]) => [path, { text, mode: 0o644 }],
    ),
  );

export function facts(changes: Partial<HostFacts> = {}): HostFacts {
  return {
    tools: new Set(["drbdadm", "tgtd", "wipefs", "vgscan", "systemctl", "iptables", "cmp"]),
    drbdMajor: 8,
    moduleLoaded: true,
    view: null,
    isAnyUp: false,
    isJustCreated: false,
    disk: BLANK_DISK,
    files: files(),
    services: [],
    closedRules: new Map(),
    multipathRuns: false,
    hasMultipath: false,
    link: { device: "xapi0", isBonded: true, speedMbit: 10_000, strangers: [], hasAddress: true },
    handler: "/opt/tandem/agents/drbd/fence-peer",
    ...changes,
  };
}
