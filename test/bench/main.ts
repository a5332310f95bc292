// npm run bench: what grows with the size of a pool, measured at four sizes; what random loss of heartbeats does. What
// needs the lab is measured by `npm run lab -- run X --repeat N`.

import { lossRow, lossTable } from "./loss.ts";
import { machine } from "./machine.ts";
import { poolPass } from "./pool-pass.ts";
import { measure, table } from "./table.ts";

const REPEATS = 9;
const pools = [
  [8, 125],
  [16, 250],
  [32, 500],
  [64, 1_000],
] as const;

const show = (title: string, sizes: readonly (readonly [hosts: number, vms: number])[]): void => {
  const rows = measure(
    sizes.map(([hosts, vms]) => poolPass(hosts, vms)),
    REPEATS,
  );
  console.log(table(title, "VM", rows));
};

console.log(`${machine()}\n`);
show("One pass of the leader: hosts and VMs grow together", pools);
console.log("");
show(
  "One pass of the leader: 64 hosts, the VMs grow",
  pools.map(([, vms]) => [64, vms] as const),
);
console.log("");
const LOSSES = [0, 5, 10, 20, 30] as const;
console.log(lossTable(([2, 1] as const).flatMap((links) => LOSSES.map((percent) => lossRow(percent, links, 10, 12)))));
