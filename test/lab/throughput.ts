// `npm run lab -- bench`: what a write costs through the whole path (the kernel's initiator, floating IP, target, DRBD, both
// disks), from the primary's and the secondary's side, with each way to export the device. No daemon runs: the targets are
// made by hand with what the drivers set, so that those that the drivers would refuse can be measured too.

import { FILL, WARM, WITHDRAW } from "../../src/drivers/iscsi-target/lio/scripts.ts";
import { root } from "../build.ts";
import { bootStorage, type Lab } from "./lab.ts";
import { IQN, LUN, NODES, PORTAL, RESOURCE, VIP_WITH_PREFIX, type NodeName } from "./names.ts";
import { initiatorIqn } from "./guest-files.ts";

const OWNER: NodeName = "xcp1";
const CONFIGFS = "/sys/kernel/config/target";
const STORE = `tandem.${LUN}.${RESOURCE}`;

interface Backend {
  readonly name: string;
  /** Is an acknowledged write on both disks, whatever happens next? */
  readonly safe: string;
  readonly start: readonly string[];
  readonly stop: readonly string[];
}

const WRITE_CACHE_OFF = "mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0";

function tgtd(name: string, safe: string, type: string, flags: string | null, cacheOff: boolean): Backend {
  const adm = `tgtadm --lld iscsi --mode`;
  const lun = `${adm} logicalunit --tid 1 --lun ${LUN}`;
  return {
    name,
    safe,
    start: [
      `setsid tgtd -f --iscsi portal=${PORTAL} </dev/null >/dev/null 2>&1 & for i in $(seq 100); do tgtadm --lld iscsi --mode system --op show >/dev/null 2>&1 && break; sleep 0.05; done`,
      `${adm} target --op new --tid 1 --targetname ${IQN}`,
      `${adm} target --op update --tid 1 --name DefaultTime2Wait --value 0`,
      `${lun} --op new --backing-store /dev/drbd1 --bstype ${type}${flags === null ? "" : ` --bsoflags ${flags}`}`,
      ...(cacheOff ? [`${lun} --op update --params ${WRITE_CACHE_OFF}`] : []),
      `${adm} target --op bind --tid 1 --initiator-address ALL`,
    ],
    stop: ["pkill -9 -x tgtd; for i in $(seq 100); do pgrep -x tgtd >/dev/null || exit 0; sleep 0.05; done; exit 1"],
  };
}

const IBLOCK = `${CONFIGFS}/core/iblock_7694/${STORE}`;
const TPG = `${CONFIGFS}/iscsi/${IQN}/tpgt_1`;
const warm = `sh /tmp/warm.sh ${CONFIGFS} ${IQN} ${PORTAL}`;
const withdraw = `sh /tmp/withdraw.sh ${CONFIGFS} ${IQN}`;

const BACKENDS: readonly Backend[] = [
  tgtd("tgtd rdwr, cache off", "yes", "rdwr", null, true),
  tgtd("tgtd rdwr, cache on", "no: page cache", "rdwr", null, false),
  tgtd("tgtd rdwr sync, cache on", "yes", "rdwr", "sync", false),
  tgtd("tgtd rdwr direct, cache off", "yes", "rdwr", "direct", true),
  tgtd("tgtd rdwr direct, cache on", "disks' caches", "rdwr", "direct", false),
  tgtd("tgtd aio, cache off", "disks' caches", "aio", null, true),
  {
    name: "LIO fileio, cache off",
    safe: "yes",
    start: [warm, `sh /tmp/fill.sh ${CONFIGFS} ${IQN} ${LUN} ${STORE} /dev/drbd1 0000000011`],
    stop: [withdraw],
  },
  {
    name: "LIO iblock, cache on",
    safe: "disks' caches",
    start: [
      `modprobe target_core_iblock; ${warm}`,
      `mkdir -p ${IBLOCK} ${TPG}/lun/lun_${LUN} && echo udev_path=/dev/drbd1 > ${IBLOCK}/control && echo 1 > ${IBLOCK}/enable && ln -s ${IBLOCK} ${TPG}/lun/lun_${LUN}/${STORE}`,
    ],
    stop: [withdraw, `rmdir ${IBLOCK}`],
  },
];

/** The three loads, each as a shell command that prints how long it took, in nanoseconds. */
const LOADS = [
  { name: "4 KiB, one at a time", unit: "writes/s", amount: 400, command: (disk: string) => dd(disk, "4k", 400, 0) },
  {
    name: "4 KiB, eight at a time",
    unit: "writes/s",
    amount: 1_600,
    command: (disk: string) =>
      `${Array.from({ length: 8 }, (_, i) => `${dd(disk, "4k", 200, i * 1_024)} &`).join(" ")} wait`,
  },
  { name: "1 MiB, one at a time", unit: "MiB/s", amount: 48, command: (disk: string) => dd(disk, "1M", 48, 0) },
] as const;

const dd = (disk: string, size: string, count: number, seek: number): string =>
  `dd if=/dev/zero of=${disk} bs=${size} count=${count} seek=${seek} oflag=direct conv=notrunc status=none`;

interface Row {
  readonly backend: Backend;
  readonly side: "primary" | "secondary";
  /** What the initiator says of the disk. */
  readonly cache: string;
  readonly medians: readonly number[];
}

export async function measureThroughput(lab: Lab, rounds: number, progress: (text: string) => void): Promise<string> {
  await bootStorage(lab, progress);
  await lab.must(OWNER, `drbdadm primary ${RESOURCE} && ip addr add ${VIP_WITH_PREFIX} dev repl`);
  for (const [name, text] of Object.entries({ warm: WARM, fill: FILL, withdraw: WITHDRAW }))
    await lab.upload(OWNER, `/tmp/${name}.sh`, text);
  const rows: Row[] = [];
  for (const backend of BACKENDS) {
    progress(backend.name);
    for (const command of backend.start) await lab.must(OWNER, command, 30_000);
    for (const node of NODES) rows.push(await measureFrom(lab, backend, node, rounds));
    for (const command of backend.stop) await lab.must(OWNER, command, 30_000);
  }
  return table(rows, rounds);
}

async function measureFrom(lab: Lab, backend: Backend, node: NodeName, rounds: number): Promise<Row> {
  const script = `sh ${root}/test/workload/open-iscsi.sh`;
  const login = await lab.must(node, `${script} login ${PORTAL} ${IQN} ${LUN} ${initiatorIqn(node)}`, 30_000);
  const disk = (await lab.must(node, `readlink -f ${login.trim()}`)).trim();
  const cache = (await lab.must(node, `cat /sys/block/${disk.replace("/dev/", "")}/queue/write_cache`)).trim();
  const found: number[][] = LOADS.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [i, load] of LOADS.entries()) {
      const timed = `from=$(date +%s%N); ${load.command(disk)}; echo $(($(date +%s%N) - from))`;
      const nanos = Number(await lab.must(node, timed, 120_000));
      found[i]?.push(load.amount / (nanos / 1e9));
    }
  }
  await lab.must(node, `${script} logout ${PORTAL} ${IQN} ${LUN}`, 30_000);
  const medians = found.map((list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0);
  return { backend, side: node === OWNER ? "primary" : "secondary", cache, medians };
}

/** A table for a document: the figures of one machine compare its rows with one another, nothing else. */
function table(rows: readonly Row[], rounds: number): string {
  const head = [
    "Target",
    "seen as",
    "acknowledged = on both disks",
    "from",
    ...LOADS.map((l) => `${l.name}, ${l.unit}`),
  ];
  const lines = rows.map(({ backend, side, cache, medians }) => [
    backend.name,
    cache,
    backend.safe,
    side,
    ...medians.map((one) => one.toFixed(one < 100 ? 1 : 0)),
  ]);
  const text = [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  return `${text}\n\nMedians of ${rounds} rounds.\n`;
}
