// Draws the rounds of a chaos run: from a seed and a number always the same one, so that a round can be played again alone.

import { createRandom, type Random } from "../../sim/random.ts";
import { NODES, type NodeName } from "../names.ts";
import type { PolicyName } from "../policies.ts";

export interface Trouble {
  readonly fault: string;
  /** After the beginning of the round. */
  readonly atMs: number;
  /** Null: there is nothing to mend (a program that was killed). */
  readonly healAtMs: number | null;
}

/** What a person orders meanwhile; it may be refused. */
export interface Order {
  readonly command: string;
  readonly node: NodeName;
  readonly atMs: number;
}

export interface Round {
  readonly troubles: readonly Trouble[];
  readonly orders: readonly Order[];
  readonly lengthMs: number;
}

type Kind = (random: Random) => string;
const node = (random: Random): NodeName => random.pick(NODES);
const network = (random: Random): string => random.pick(["mgmt", "repl"]);

/** Every fault of the lab that the fault hypothesis allows under each policy, as often as it stands here. */
const ALWAYS: readonly Kind[] = [
  (r) => `power-loss:${node(r)}`,
  (r) => `power-loss:${node(r)}`,
  (r) => `shutdown:${node(r)}`,
  (r) => `freeze:${node(r)}`,
  (r) => `cut:${network(r)}:${node(r)}`,
  (r) => `cut:${network(r)}:${node(r)}`,
  (r) => `loss:${network(r)}:${node(r)}:${r.pick([5, 20, 40, 80])}`,
  (r) => `delay:${network(r)}:${node(r)}:${r.pick([20, 100, 400])}`,
  (r) => `deaf:${node(r)}`,
  () => "switch",
  () => "gateway",
  () => "conflict",
  (r) => `disk:${node(r)}`,
  (r) => `kill:${r.pick(["tandemd", "tgtd", "xapi-sim"])}:${node(r)}`,
  (r) => `kill:${r.pick(["tandemd", "tgtd", "xapi-sim"])}:${node(r)}`,
  (r) => `hang:${r.pick(["tandemd", "tgtd", "xapi-sim"])}:${node(r)}`,
];
/** Under VOTE a filter between the hosts is what H1 excludes. */
const NOT_VOTE: readonly Kind[] = [() => "filter"];
const BY_POLICY: Readonly<Record<PolicyName, readonly Kind[]>> = {
  vote: [],
  witness: [...NOT_VOTE, () => "witness"],
  strict: [...NOT_VOTE, (r) => `bmc-${r.pick(["dead", "slow"])}:${node(r)}`],
  "strict+vote": [...NOT_VOTE, (r) => `bmc-${r.pick(["dead", "slow"])}:${node(r)}`],
};

const LONGEST_MS = 30_000;

export function drawRound(seed: number, number: number, policy: PolicyName): Round {
  const random = createRandom(seed * 100_003 + number);
  const kinds = [...ALWAYS, ...BY_POLICY[policy]];
  const count = random.chance(0.45) ? 2 : random.chance(0.15) ? 3 : 1;
  const troubles: Trouble[] = [];
  for (let tries = 0; troubles.length < count && tries < 20; tries++) {
    const fault = random.pick(kinds)(random);
    if (troubles.some((other) => clashes(other.fault, fault))) continue;
    const atMs = troubles.length === 0 ? 0 : Math.round(random.between(0, 12_000));
    const lasts = Math.round(random.chance(0.3) ? random.between(300, 3_000) : random.between(4_000, LONGEST_MS));
    troubles.push({ fault, atMs, healAtMs: fault.startsWith("kill:") ? null : atMs + lasts });
  }
  const ends = troubles.map(({ atMs, healAtMs }) => healAtMs ?? atMs + 5_000);
  const lengthMs = Math.max(...ends);
  const orders: Order[] = [];
  if (random.chance(0.4))
    orders.push({ command: "iscsi-cfg switch", node: node(random), atMs: Math.round(random.between(0, lengthMs)) });
  return { troubles: troubles.toSorted((a, b) => a.atMs - b.atMs), orders, lengthMs };
}

/** The same handle twice, or one that needs a node which the other takes away. */
function clashes(a: string, b: string): boolean {
  const kind = (fault: string): string => fault.split(":").slice(0, 2).join(":");
  const nodeOf = (fault: string): string | undefined => NODES.find((one) => fault.includes(one));
  const takesAway = (fault: string): boolean => /^(power-loss|shutdown|freeze)/.test(fault);
  const inside = (fault: string): boolean => /^(loss|delay|deaf|disk|kill|hang)/.test(fault);
  if (kind(a) === kind(b)) return true;
  if (nodeOf(a) === undefined || nodeOf(a) !== nodeOf(b)) return false;
  return (takesAway(a) && (inside(b) || takesAway(b))) || (takesAway(b) && inside(a));
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

export const describeRound = ({ troubles, orders }: Round): string =>
  [
    ...troubles.map(
      ({ fault, atMs, healAtMs }) =>
        `${fault} at ${seconds(atMs)}${healAtMs === null ? "" : ` to ${seconds(healAtMs)}`} s`,
    ),
    ...orders.map(({ command, node, atMs }) => `"${command}" on ${node} at ${seconds(atMs)} s`),
  ].join(", ");
