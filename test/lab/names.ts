// The fixed names and addresses of the lab's pool.

export type NodeName = "xcp1" | "xcp2";
export const NODES: readonly NodeName[] = ["xcp1", "xcp2"];
export const otherNode = (node: NodeName): NodeName => (node === "xcp1" ? "xcp2" : "xcp1");

export interface NodeFacts {
  readonly number: 1 | 2;
  readonly uuid: string;
  readonly management: string;
  readonly replication: string;
  readonly control: string;
  readonly bmc: string;
}

/** `ipv6` where the storage network shall speak that; set by the command line for the lab's own process. */
export const STORAGE_FAMILY = "TANDEM_LAB_STORAGE";
export const IS_IPV6 = process.env[STORAGE_FAMILY] === "ipv6";
const storageAddress = (host: number): string => (IS_IPV6 ? `fd00:10::${host}` : `10.10.10.${host}`);
export const STORAGE_PREFIX = IS_IPV6 ? 64 : 24;
/** An address of IPv6 would otherwise be looked for on the network for a second before it counts. */
export const ADDRESS_FLAGS: readonly string[] = IS_IPV6 ? ["nodad"] : [];

export const FACTS: Readonly<Record<NodeName, NodeFacts>> = {
  xcp1: {
    number: 1,
    uuid: "11111111-1111-4111-8111-111111111111",
    management: "192.168.1.241",
    replication: storageAddress(1),
    control: "10.79.0.1",
    bmc: "192.168.1.231",
  },
  xcp2: {
    number: 2,
    uuid: "22222222-2222-4222-8222-222222222222",
    management: "192.168.1.242",
    replication: storageAddress(2),
    control: "10.79.0.2",
    bmc: "192.168.1.232",
  },
};

export const POOL_UUID = "99999999-9999-4999-8999-999999999999";
export const GATEWAY = "192.168.1.253";
/** The witness is a machine of its own on the management network. */
export const WITNESS = "192.168.1.252";
export const WITNESS_PORT = 7695;
export const VIP = storageAddress(3);
/** The floating IP as `ip` takes and shows it. */
export const VIP_WITH_PREFIX = `${VIP}/${IS_IPV6 ? 128 : 32}`;
export const PORTAL = `${IS_IPV6 ? `[${VIP}]` : VIP}:3260`;
export const LAB_CONTROL = "10.79.0.254";
export const COLLECTOR_PORT = 7900;
export const AGENT_PORT = 7000;
export const BMC_PORT = 623;
export const RESOURCE = "iscsi1";
export const IQN = "iqn.2026-11.lab.tandem:iscsi1";
export const LUN = 10;
/** The disk under DRBD, as a node's kernel calls it. */
export const DATA_DISK = "/dev/ubdb";
/** The disk after that one, where there is one: free, or with a resource of its own. */
export const NEXT_DISK = "/dev/ubdc";

/** A replicated disk and its LUN, the same on both nodes. */
export interface LabResource {
  readonly name: string;
  readonly disk: string;
  readonly device: string;
  readonly drbdPort: number;
  readonly lun: number;
  readonly scsiId: string;
  readonly scsiSn: string;
}

/** The VMs' disks lie on the first one; a scenario may have the second one beside it. */
export const FIRST: LabResource = {
  name: RESOURCE,
  disk: DATA_DISK,
  device: "/dev/drbd1",
  drbdPort: 7789,
  lun: LUN,
  scsiId: "0000000010",
  scsiSn: "0000000011",
};
export const SECOND: LabResource = {
  name: "iscsi2",
  disk: NEXT_DISK,
  device: "/dev/drbd2",
  drbdPort: 7790,
  lun: LUN + 1,
  scsiId: "0000000020",
  scsiSn: "0000000021",
};
/** TARGET_BACKEND of both nodes. */
export const TARGETS = ["tgtd", "lio"] as const;
export type TargetName = (typeof TARGETS)[number];
export const SR_UUID = "55555555-5555-4555-8555-555555555555";

export type NetworkName = "mgmt" | "repl" | "ctl";
export const NETWORKS: readonly NetworkName[] = ["mgmt", "repl", "ctl"];
/** Storage links carry jumbo frames, as a direct cable between two hosts does. */
export const MTU: Readonly<Record<NetworkName, number>> = { mgmt: 1500, repl: 9000, ctl: 1500 };
export const tap = (network: NetworkName, node: NodeName): string => `${network}${FACTS[node].number}`;

const HEX: Readonly<Record<NetworkName, string>> = { mgmt: "77", repl: "78", ctl: "79" };
/** Fixed, so that no stale ARP entry outlives a reboot. */
export const macOf = (network: NetworkName, node: NodeName): string =>
  `02:${HEX[network]}:00:00:00:0${FACTS[node].number}`;
