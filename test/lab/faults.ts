// The faults of the lab by name: `power-loss:xcp1`, `freeze:xcp2`, `cut:mgmt:xcp1`, `switch`, `loss:repl:xcp2:30`, `delay:repl:xcp2:50`,
// `deaf:xcp1`, `filter`, `gateway`, `conflict`, `witness`, `kill:tandemd:xcp1`, `hang:tgtd:xcp1`, `disk:xcp1`, `bmc-dead:xcp1`,
// `bmc-lies:xcp1`, `bmc-slow:xcp1`.

import type { Lab } from "./lab.ts";
import { IQN, macOf, NETWORKS, NODES, otherNode, RESOURCE, type NetworkName, type NodeName } from "./names.ts";
import { setConflict, setFilter, setGateway, setPort, setSwitch } from "./network.ts";

export type Fault =
  | { readonly kind: "power-loss" | "shutdown" | "freeze" | "deaf" | "disk"; readonly node: NodeName }
  | { readonly kind: "cut"; readonly network: NetworkName; readonly node: NodeName }
  | { readonly kind: "loss"; readonly network: NetworkName; readonly node: NodeName; readonly percent: number }
  | { readonly kind: "delay"; readonly network: NetworkName; readonly node: NodeName; readonly delayMs: number }
  | { readonly kind: "switch" | "filter" | "gateway" | "conflict" | "witness" }
  | { readonly kind: "kill" | "hang"; readonly program: string; readonly node: NodeName }
  | { readonly kind: "bmc"; readonly mood: "dead" | "slow" | "lies"; readonly node: NodeName };

export const FAULT_HELP = [
  "power-loss:NODE       power off at once (heal: power on)",
  "shutdown:NODE         orderly: tandemd is stopped, DRBD taken down, power off (heal: power on)",
  "freeze:NODE           the kernel stands still (heal: goes on)",
  "cut:NETWORK:NODE      pull the cable (NETWORK: mgmt, repl)",
  "loss:NETWORK:NODE:N   N percent of the packets towards the node are lost",
  "delay:NETWORK:NODE:MS every packet from the node is late by MS milliseconds",
  "deaf:NODE             nothing the other node sends reaches this one; the other way works",
  "switch                the management switch is dead",
  "filter                nothing passes between the nodes; both reach everything else",
  "gateway               the gateway, which is the heuristic address, is gone",
  "conflict              a foreign machine answers at the floating IP",
  "witness               the witness is killed (heal: started again)",
  "kill:PROGRAM:NODE     SIGKILL a program in the node (tandemd, target, xapi-sim)",
  "hang:PROGRAM:NODE     SIGSTOP a program in the node (heal: SIGCONT)",
  "disk:NODE             every access to the disk under DRBD fails (heal: it works and is attached again)",
  "bmc-dead|bmc-slow|bmc-lies:NODE",
] as const;

export function parseFault(spec: string): Fault {
  const parts = spec.split(":");
  const [kind = ""] = parts;
  const bad = (expected: string): never => {
    throw new Error(`Cannot use the fault "${spec}": expected ${expected}`);
  };
  const node = (text: string | undefined): NodeName =>
    NODES.find((n) => n === text) ?? bad(`a node (${NODES.join(", ")})`);
  const network = (text: string | undefined): NetworkName =>
    NETWORKS.find((n) => n === text && n !== "ctl") ?? bad("a network (mgmt, repl)");
  switch (kind) {
    case "power-loss":
    case "shutdown":
    case "freeze":
    case "deaf":
    case "disk":
      return { kind, node: node(parts[1]) };
    case "cut":
      return { kind, network: network(parts[1]), node: node(parts[2]) };
    case "loss": {
      const percent = Number(parts[3]);
      if (!(percent > 0 && percent <= 100)) bad("a percentage above 0 and up to 100");
      return { kind, network: network(parts[1]), node: node(parts[2]), percent };
    }
    case "delay": {
      const delayMs = Number(parts[3]);
      if (!(Number.isInteger(delayMs) && delayMs > 0 && delayMs <= 10_000)) bad("whole milliseconds from 1 to 10000");
      return { kind, network: network(parts[1]), node: node(parts[2]), delayMs };
    }
    case "switch":
    case "filter":
    case "gateway":
    case "conflict":
    case "witness":
      return { kind };
    case "kill":
    case "hang": {
      const program = parts[1] ?? "";
      if (!/^[a-z][a-z0-9-]*$/.test(program)) bad("a program's name");
      return { kind, program, node: node(parts[2]) };
    }
    case "bmc-dead":
    case "bmc-slow":
    case "bmc-lies":
      return {
        kind: "bmc",
        mood: kind === "bmc-dead" ? "dead" : kind === "bmc-slow" ? "slow" : "lies",
        node: node(parts[1]),
      };
    default:
      return bad(`one of: ${FAULT_HELP.map((line) => line.split(" ")[0]).join(", ")}`);
  }
}

/** The raw table, so that no rule of the host's own firewall is touched; IP only, ARP still passes. */
function lossCommand(network: NetworkName, percent: number | null): string {
  const flush = "xtables-legacy-multi iptables -w -t raw -F PREROUTING";
  if (percent === null) return flush;
  const share = (percent / 100).toFixed(4);
  return `${flush} && xtables-legacy-multi iptables -w -t raw -A PREROUTING -i ${network} -m statistic --mode random --probability ${share} -j DROP`;
}

/** On arrival, below IP: what is lost in a broken cable or switch port is lost with its ARP answers. */
function deafCommand(node: NodeName, deaf: boolean): string {
  const networks = NETWORKS.filter((network) => network !== "ctl");
  if (!deaf) return networks.map((network) => `tc qdisc del dev ${network} ingress`).join("; ");
  const drop = (network: NetworkName): string =>
    `tc qdisc add dev ${network} ingress && ` +
    `tc filter add dev ${network} parent ffff: protocol all flower src_mac ${macOf(network, otherNode(node))} action drop`;
  return ["modprobe -a sch_ingress cls_flower act_gact", ...networks.map(drop)].join(" && ");
}

/** DRBD's own fault injection: reads and writes of data and metadata (bits 0, 1, 4 to 6) of its disks fail. */
function diskCommand(broken: boolean): string {
  const set = (name: string, value: number): string => `echo ${value} > /sys/module/drbd/parameters/${name}`;
  if (broken) return [set("fault_rate", 100), set("enable_faults", 0b111_0011)].join(" && ");
  return [set("enable_faults", 0), `drbdadm attach ${RESOURCE}`].join(" && ");
}

const DISABLE_TARGET = `echo 0 > /sys/kernel/config/target/iscsi/${IQN}/tpgt_1/enable`;

/** The program's own name is the bundle or the binary; the agent itself is never matched. */
const signalCommand = (signal: string, program: string): string =>
  `pkill -${signal} -f '(^|/)${program}(\\.mjs)?( |$)'`;

function delayCommand(network: NetworkName, delayMs: number | null): string {
  if (delayMs === null) return `tc qdisc del dev ${network} root 2>/dev/null; true`;
  return `modprobe sch_netem && tc qdisc replace dev ${network} root netem delay ${delayMs}ms`;
}

export async function applyFault(lab: Lab, fault: Fault, begin: boolean): Promise<void> {
  switch (fault.kind) {
    case "power-loss":
      if (begin) await lab.nodes[fault.node].powerOff("power loss");
      else await lab.boot(fault.node);
      return;
    case "shutdown":
      if (begin) await lab.shutdown(fault.node);
      else await lab.boot(fault.node);
      return;
    case "freeze":
      if (begin) lab.nodes[fault.node].freeze();
      else lab.nodes[fault.node].thaw();
      return;
    case "cut":
      return setPort(fault.network, fault.node, !begin);
    case "loss":
      // Dropped inside the node, on arrival: the machine's own kernel may lack netem and nftables, the nodes' never does.
      await lab.must(fault.node, lossCommand(fault.network, begin ? fault.percent : null));
      return;
    case "delay":
      await lab.must(fault.node, delayCommand(fault.network, begin ? fault.delayMs : null));
      return;
    case "deaf":
      await lab.must(fault.node, deafCommand(fault.node, begin));
      return;
    case "disk":
      await lab.must(fault.node, diskCommand(begin));
      return;
    case "switch":
      return setSwitch(!begin);
    case "gateway":
      return setGateway(!begin);
    case "conflict":
      return setConflict(begin);
    case "filter":
      return setFilter(begin);
    case "witness":
      if (lab.witness === null) throw new Error("Cannot stop the witness: this lab has none; use --policy witness");
      return begin ? lab.witness.stop() : lab.witness.start();
    case "kill":
      if (!begin) return;
      // The kernel's target is no process: what an administrator's targetcli would do to it.
      if (fault.program === "target" && lab.target === "lio") await lab.must(fault.node, DISABLE_TARGET);
      else await lab.exec(fault.node, signalCommand("KILL", fault.program === "target" ? "tgtd" : fault.program));
      return;
    case "hang":
      await lab.must(fault.node, signalCommand(begin ? "STOP" : "CONT", fault.program));
      return;
    case "bmc":
      lab.bmcs[fault.node].setMood(begin ? fault.mood : "ok");
      return;
  }
}
