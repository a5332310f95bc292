// The lab's wires, in the network namespace that this process runs in: three bridges, a tap per node and network, the
// gateway and BMC addresses on the management bridge. Faults act on the bridge ports: taking a tap down would kill the
// guest's network card for good.

import { readFileSync } from "node:fs";
import {
  FACTS,
  GATEWAY,
  LAB_CONTROL,
  MTU,
  NETWORKS,
  NODES,
  tap,
  ADDRESS_FLAGS,
  VIP_WITH_PREFIX,
  WITNESS,
  type NetworkName,
  type NodeName,
} from "./names.ts";
import { must } from "./run-command.ts";

export async function layWires(): Promise<void> {
  const commands: string[] = ["link set lo up"];
  for (const network of NETWORKS) {
    commands.push(`link add br-${network} type bridge stp_state 0 forward_delay 0`, `link set br-${network} up`);
    for (const node of NODES) {
      const name = tap(network, node);
      commands.push(
        `tuntap add dev ${name} mode tap`,
        `link set ${name} master br-${network}`,
        `link set ${name} mtu ${MTU[network]} up`,
      );
    }
  }
  commands.push(`addr add ${WITNESS}/24 dev br-mgmt`, `addr add ${LAB_CONTROL}/24 dev br-ctl`);
  // After the witness: the first address of a network takes the others with it when it is removed.
  commands.push(`addr add ${GATEWAY}/24 dev br-mgmt`);
  for (const node of NODES) commands.push(`addr add ${FACTS[node].bmc}/24 dev br-mgmt`);
  for (const command of commands) await must("ip", command.split(" "));
}

/** Both directions of one port. That of a node without power cannot be opened: it is open when its power comes back. */
export async function setPort(network: NetworkName, node: NodeName, up: boolean): Promise<void> {
  const port = tap(network, node);
  if (up && !hasCarrier(port)) return;
  await must("bridge", ["link", "set", "dev", port, "state", up ? "3" : "0"]);
}

const hasCarrier = (device: string): boolean => readFileSync(`/sys/class/net/${device}/carrier`, "utf8").trim() === "1";

/** The switch itself: no port forwards and the gateway behind it is gone. */
export async function setSwitch(up: boolean): Promise<void> {
  for (const node of NODES) await setPort("mgmt", node, up);
}

/** Between the nodes nothing passes on either network, ARP included; each still reaches gateway, BMCs and witness. */
export async function setFilter(on: boolean): Promise<void> {
  for (const network of ["mgmt", "repl"] as const)
    for (const node of NODES)
      await must("bridge", ["link", "set", "dev", tap(network, node), "isolated", on ? "on" : "off"]);
}

export async function setGateway(on: boolean): Promise<void> {
  await must("ip", ["addr", on ? "add" : "del", `${GATEWAY}/24`, "dev", "br-mgmt"]);
}

/** A machine on the replication network, neither of the two hosts, that answers at the floating IP. */
export async function setConflict(on: boolean): Promise<void> {
  const address = ["addr", on ? "add" : "del", VIP_WITH_PREFIX, "dev", "br-repl"];
  await must("ip", [...address, ...(on ? ADDRESS_FLAGS : [])]);
}

/** The hardware address that machine answers with. */
export const conflictMac = (): string => readFileSync("/sys/class/net/br-repl/address", "utf8").trim();
