// npm run bench: what grows with the size of a pool, measured at four sizes.

import { poolPass } from "./pool-pass.ts";
import { measure, table } from "./table.ts";

const REPEATS = 25;
const sizes = [
  [8, 125],
  [16, 250],
  [32, 500],
  [64, 1_000],
] as const;

const rows = measure(
  sizes.map(([hosts, vms]) => poolPass(hosts, vms)),
  REPEATS,
);
console.log(table("One pass of the leader over its pool", "VM", rows));
