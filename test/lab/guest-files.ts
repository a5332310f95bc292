// The text files of a lab node: how it starts, and its configuration as an installed host would have it.

import type { SetupAnswers } from "../../src/setup/answers.ts";
import {
  DRBD_CONF,
  DRBD_CONF_TEXT,
  DRBD_GLOBAL,
  DRBD_GLOBAL_TEXT,
  drbdResourcePath,
  drbdResourceText,
} from "../../src/setup/texts/drbd.ts";
import type { Seed } from "../xapi-sim/seed.ts";
import {
  ADDRESS_FLAGS,
  AGENT_PORT,
  COLLECTOR_PORT,
  FACTS,
  FIRST,
  GATEWAY,
  IQN,
  IS_IPV6,
  LAB_CONTROL,
  LUN,
  NODES,
  POOL_UUID,
  PORTAL,
  SR_UUID,
  STORAGE_PREFIX,
  VIP,
  type LabResource,
  type NodeName,
  type TargetName,
} from "./names.ts";
import { BMC_PORT } from "./names.ts";

/**
 * PID 1 of a node: an overlay over the machine's own root (read-only through hostfs) and the layer of packages, with the
 * ext4 image on ubda as upper, so that what was fsynced survives a loss of power and nothing else does.
 */
export const PREINIT = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
mount -t proc proc /proc; mount -t sysfs sys /sys
M=$LABLAYER/usr/lib/modules/$(uname -r)
LD_LIBRARY_PATH=$LABLAYER/usr/lib/x86_64-linux-gnu $LABLAYER/lab/insmod $M/kernel/fs/overlayfs/overlay.ko
mount -t ext4 /dev/ubda /mnt || { echo "LABFAIL no upper image"; exec sleep 1; }
mkdir -p /mnt/upper /mnt/work /mnt/root /mnt/layer /mnt/host
# A lowerdir inside another lowerdir is refused: each layer is a hostfs mount of its own.
mount -t hostfs -o ro,$LABLAYER none /mnt/layer; lower=/mnt/layer:/
[ -z "$LABHOST" ] || { mount -t hostfs -o ro,$LABHOST none /mnt/host; lower=/mnt/host:$lower; }
mount -t overlay overlay -o lowerdir=$lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root || { echo "LABFAIL overlay"; exec sleep 1; }
cd /mnt/root
mount --move /proc proc; mount --move /sys sys; mount --move /dev dev
mkdir -p run/.lower; pivot_root . run/.lower
exec chroot . /lab/init
`;

/** How a node begins: devices, names, networks. */
export function firstSteps(node: NodeName): string {
  const { management, replication, control } = FACTS[node];
  return `#!/bin/bash
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH; exec </dev/null
mount -t tmpfs tmpfs /run; mkdir -p /run/lock /run/tgtd /dev/pts /dev/shm
mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm
ln -sfn /run /var/run
hostname ${node}; ${IS_IPV6 ? "modprobe ipv6; " : ""}ip link set lo up
ip link set vec0 name mgmt; ip link set vec1 name repl; ip link set vec2 name ctl
ip addr add ${control}/24 dev ctl; ip addr add ${management}/24 dev mgmt; ip addr add ${replication}/${STORAGE_PREFIX} dev repl ${ADDRESS_FLAGS.join(" ")}
ip link set ctl up; ip link set mgmt up; ip link set repl mtu 9000 up; ip route add default via ${GATEWAY} dev mgmt
# The stand-in for the hypervisor's watchdog is outside the node, at the far end of this line (A25).
rm -f /dev/watchdog; ln -s /dev/ttyS0 /dev/watchdog
`;
}

/** The agent, told where it listens; bundle and runtime as the guest sees them through hostfs. */
export const agentCommand = (node: NodeName, dist: string, nodeBinary: string): string =>
  `${nodeBinary} ${dist}/node-agent.mjs ${FACTS[node].control}`;

export function initScript(node: NodeName, dist: string, nodeBinary: string): string {
  return `${firstSteps(node)}${agentCommand(node, dist, nodeBinary)} &
# PID 1 reaps what its parents left behind; a shell does, Node would not.
while :; do wait -n 2>/dev/null || sleep 1; done
`;
}

/** What the pool's administrator would have answered: the lab is set up by the product's own recipe. */
export const answersOf = (resource: LabResource): SetupAnswers => ({
  poolUuid: POOL_UUID,
  hosts: [setupHost("xcp1", resource), setupHost("xcp2", resource)],
  resource: resource.name,
  device: resource.device,
  drbdPort: resource.drbdPort,
  vip: VIP,
  prefix: STORAGE_PREFIX,
  interface: "repl",
  iqn: IQN,
  lun: resource.lun,
  scsiId: resource.scsiId,
  scsiSn: resource.scsiSn,
  linkMbit: 10_000,
  firstSync: "skip",
  srName: "tandem",
});

function setupHost(node: NodeName, { disk }: LabResource): SetupAnswers["hosts"][0] {
  const { uuid, management, replication } = FACTS[node];
  return { uuid, name: node, management, replication, disk };
}

/** `agents` is the folder of the fence-peer handler, as the guest sees it. */
export function drbdConfig(
  agents: string,
  resources: readonly LabResource[] = [FIRST],
): Readonly<Record<string, string>> {
  const flavour = { major: 8, handler: `${agents}/drbd/fence-peer` } as const;
  const files: Record<string, string> = { [DRBD_CONF]: DRBD_CONF_TEXT, [DRBD_GLOBAL]: DRBD_GLOBAL_TEXT };
  for (const one of resources) {
    const record = { answers: answersOf(one), drbdSecret: "2f6c0b8e1d4a49c7a3" };
    files[drbdResourcePath(one.name)] = drbdResourceText(record, flavour);
  }
  return files;
}

export function tandemYaml(target: TargetName, resources: readonly LabResource[] = [FIRST]): string {
  const hosts = NODES.map(
    (node) =>
      `  - { uuid: ${FACTS[node].uuid}, name: ${node}, management: ${FACTS[node].management}, replication: "${FACTS[node].replication}" }`,
  ).join("\n");
  const luns = resources.map(
    (one) =>
      `    - { resource: ${one.name}, device: ${one.device}, lun: ${one.lun}, scsi_id: "${one.scsiId}", scsi_sn: "${one.scsiSn}" }`,
  );
  return `pool:
  uuid: ${POOL_UUID}
hosts:
${hosts}
storage:
  DRBD_RESOURCES: ${resources.map((one) => one.name).join(":")}
  DRBD_VIRTUAL_IP: "${VIP}"
  DRBD_VIRTUAL_MASK: "${STORAGE_PREFIX}"
  DRBD_INTERFACE: repl
  TARGET_BACKEND: ${target}
  TARGET_IQN: ${IQN}
  LUNS:
${luns.join("\n")}
  WATCHDOG_DEVICE: /dev/watchdog
`;
}

export const GOING_DOWN = "/run/lab-going-down";
/**
 * There is no systemd in a node: this answers as it would while a host goes down (the flag is set by announceShutdown), and
 * hands tandemd's start and stop to the node's agent. What is enabled at boot the real program tells from the files.
 */
export const systemctl = (node: NodeName): string => `#!/bin/bash
[ -e ${GOING_DOWN} ] && [ "$1" = list-jobs ] && echo "1 shutdown.target start waiting" && exit 0
case "$1 $2" in
  "enable tandemd" | "disable tandemd") exit 0 ;;
  "start tandemd") run=true ;;
  "stop tandemd") run=false ;;
  *) exec /usr/bin/systemctl "$@" ;;
esac
exec 3<>/dev/tcp/${FACTS[node].control}/${AGENT_PORT} || exit 1
printf '{"op":"service","name":"tandemd","run":%s}\\n' $run >&3
read -r -t 5 answer <&3
`;

/** A dom0's firewall as its installer leaves it, with the lab's own network let in. */
export const FIREWALL = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:RH-Firewall-1-INPUT - [0:0]
-A INPUT -j RH-Firewall-1-INPUT
-A RH-Firewall-1-INPUT -i lo -j ACCEPT
-A RH-Firewall-1-INPUT -i ctl -j ACCEPT
-A RH-Firewall-1-INPUT -p icmp --icmp-type any -j ACCEPT
-A RH-Firewall-1-INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A RH-Firewall-1-INPUT -m conntrack --ctstate NEW -m tcp -p tcp --dport 22 -j ACCEPT
-A RH-Firewall-1-INPUT -m conntrack --ctstate NEW -m tcp -p tcp --dport 443 -j ACCEPT
-A RH-Firewall-1-INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
`;
export const FIREWALL_FILE = "/etc/sysconfig/iptables";

/** The part of a dom0's lvm.conf that counts. */
export const LVM_CONF = `devices {
    dir = "/dev"
    filter = [ "r|/dev/xvd.|", "r|/dev/VG_Xen.*/*|" ]
    write_cache_state = 1
}
`;

export const inventory = (node: NodeName): string =>
  `INSTALLATION_UUID='${FACTS[node].uuid}'\nMANAGEMENT_INTERFACE='mgmt'\nPRODUCT_BRAND='XCP-ng'\nPRODUCT_VERSION='8.3.0'\n`;

export interface LabVm {
  readonly uuid: string;
  readonly name: string;
  readonly home: NodeName;
  readonly kind: "plain" | "kernel";
  readonly regionStart: number;
  readonly regionBytes: number;
}

const REGION_BYTES = 16 * 1024 * 1024;

/** Two VMs a host; with `kernelInitiator` the second one goes through the kernel's own initiator. */
export function labVms(kernelInitiator: boolean): readonly LabVm[] {
  const vms: LabVm[] = [];
  const add = (home: NodeName, kind: LabVm["kind"]): void => {
    const n = vms.length + 1;
    vms.push({
      uuid: `aaaaaaaa-aaaa-4aaa-8aaa-00000000000${n}`,
      name: `vm${n}`,
      home,
      kind,
      regionStart: (n - 1) * REGION_BYTES,
      regionBytes: REGION_BYTES,
    });
  };
  // One core carries a node and everything in it, so two VMs a host are what leaves room for the host itself.
  for (const node of NODES) {
    add(node, "plain");
    add(node, kernelInitiator ? "kernel" : "plain");
  }
  return vms;
}

export const initiatorIqn = (name: string): string => `iqn.2026-11.lab.tandem:${name}`;
export const KERNEL_DISK = `/dev/disk/by-path/ip-${PORTAL}-iscsi-${IQN}-lun-${LUN}`;

export function vmArgs(vm: LabVm): readonly string[] {
  const common = ["--vm", vm.uuid, "--name", vm.name, "--region-start", String(vm.regionStart)];
  common.push("--region-bytes", String(vm.regionBytes), "--collector", `${LAB_CONTROL}:${COLLECTOR_PORT}`);
  if (vm.kind === "kernel") return [...common, "--device", KERNEL_DISK];
  return [
    ...common,
    "--portal",
    PORTAL,
    "--iqn",
    IQN,
    "--lun",
    String(LUN),
    "--initiator-iqn",
    initiatorIqn(vm.name),
    "--command-timeout-ms",
    "500",
  ];
}

/** The pool database an installation would have: two hosts, the iSCSI SR, the VMs. */
export function xapiSeed(vms: readonly LabVm[], poolParameters: Readonly<Record<string, string>>): Seed {
  return {
    pool: {
      uuid: POOL_UUID,
      name: "lab",
      otherConfig: Object.fromEntries(Object.entries(poolParameters).map(([k, v]) => [`tandem:${k}`, v])),
    },
    hosts: NODES.map((node) => ({
      uuid: FACTS[node].uuid,
      name: node,
      address: FACTS[node].management,
      memoryBytes: 16 * 2 ** 30,
    })),
    srs: [
      {
        uuid: SR_UUID,
        name: "tandem",
        type: "lvmoiscsi",
        shared: true,
        deviceConfig: { target: VIP, targetIQN: IQN, port: "3260", SCSIid: "lab" },
      },
    ],
    vms: vms.map((vm) => ({
      uuid: vm.uuid,
      name: vm.name,
      memoryBytes: 2 ** 30,
      pvDrivers: true,
      disks: [{ sr: SR_UUID, sizeBytes: vm.regionBytes, name: `${vm.name} disk` }],
      args: vmArgs(vm),
    })),
  };
}

/** Fence agent of the lab's BMCs: bash alone, so that it costs one process. */
export const FENCE_AGENT = `#!/bin/bash
# LABBMC.sh HOST-UUID start|stop|reset|status : exit 0 done (status: on), 2 status: off, 1 failed
hosts=$(dirname "$0")/LABBMC.hosts
address=
while IFS=: read -r uuid ip; do [ "$uuid" = "$1" ] && address=$ip; done <"$hosts"
[ -n "$address" ] || { echo "no BMC is known for $1" >&2; exit 1; }
exec 3<>"/dev/tcp/$address/${BMC_PORT}" || exit 1
printf '%s\\n' "$2" >&3
read -r -t 8 answer <&3 || exit 1
case $answer in
  on|ok) exit 0 ;;
  off) exit 2 ;;
  "unknown word"*) exit 3 ;;
  *) echo "$answer" >&2; exit 1 ;;
esac
`;

/** As dom0's: the service manager, here the node's agent, starts it again; the VMs run on. */
export const TOOLSTACK_RESTART = `#!/bin/sh
pkill -9 -f '(^|/)xapi-sim\\.mjs( |$)'
`;

export const fenceHosts = (): string => NODES.map((node) => `${FACTS[node].uuid}:${FACTS[node].bmc}\n`).join("");
