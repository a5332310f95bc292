// Everything that can happen to two hosts besides the passing of time: faults and orders (operators.ts), which cost one of
// the budget, and repairs, which are free and possible at any time.

import { happen } from "./happening.ts";
import { VM } from "./host.ts";
import { powerOn } from "./kernel.ts";
import { MODE_REPAIRS, ORDERS } from "./operators.ts";
import { hostName, SIDES, type Side } from "./scale.ts";
import type { Ticker } from "./tick.ts";
import type { World } from "./world.ts";

export interface Move {
  readonly name: string;
  /** Faults of a kind can be left out of a search. */
  readonly kind: FaultKind | "repair";
  readonly possible: (world: World) => boolean;
  readonly make: (world: World, ticker: Ticker) => void;
}

export const FAULT_KINDS = [
  "power",
  "freeze",
  "daemon",
  "hands",
  "link",
  "replication",
  "filter",
  "one-way",
  "vote",
  "bmc",
  "operator",
  "toolstack",
  "ha",
  "manual",
  "leave",
  "pause",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

const set = (pair: [number, number], value: number): void => {
  pair[0] = value;
  pair[1] = value;
};

/** The target of the host that serves lets this host's initiators in. */
const reachesDisks = (w: World, side: Side): boolean =>
  SIDES.some((at) => w.serves(at) && (at === side || (w.host(at).barred === 0 && w.twoWay())));

function perHost(side: Side): readonly Move[] {
  const host = hostName(side);
  const running = (w: World): boolean => w.kernelAlive(side);
  const outstanding = (w: World): boolean => w.awake(side) && w.facts(side).effects.length > 0;
  return [
    {
      name: `${host} loses power`,
      kind: "power",
      possible: (w) => w.host(side).power === 1,
      make: (w) => w.powerOff(side),
    },
    { name: `dom0 of ${host} freezes`, kind: "freeze", possible: running, make: (w) => (w.host(side).frozen = 1) },
    {
      name: `the daemon of ${host} stands still`,
      kind: "daemon",
      possible: (w) => w.awake(side),
      make: (w) => (w.host(side).stalled = 1),
    },
    {
      name: `the daemon of ${host} dies`,
      kind: "daemon",
      possible: (w) => running(w) && w.facts(side).alive,
      make: (w) => {
        w.apply(side, happen.stop);
        w.host(side).stalled = 0;
      },
    },
    {
      name: `the daemon of ${host} dies, what it began is done`,
      kind: "daemon",
      possible: outstanding,
      make: (w, t) => {
        t.endEffectsUnheard(side);
        w.apply(side, happen.stop);
        w.host(side).stalled = 0;
      },
    },
    {
      name: `an effect of ${host} fails`,
      kind: "hands",
      possible: outstanding,
      make: (_, t) => t.endFirstEffect(side, "failed"),
    },
    {
      name: `an effect of ${host} is done and reported as failed`,
      kind: "hands",
      possible: outstanding,
      make: (_, t) => t.endFirstEffect(side, "failed-after"),
    },
    {
      name: `the hands of ${host} get stuck`,
      kind: "hands",
      possible: (w) => w.awake(side) && w.host(side).stuck === 0,
      make: (w) => (w.host(side).stuck = 1),
    },
    {
      name: `the management link of ${host} is cut`,
      kind: "link",
      possible: (w) => w.vote[side] === 1 || w.management[side] === 1,
      make: (w) => {
        set(w.management, 0);
        w.vote[side] = 0;
      },
    },
    {
      name: `heartbeats of ${host} are lost on the management network`,
      kind: "one-way",
      possible: (w) => w.management[side] === 1,
      make: (w) => (w.management[side] = 0),
    },
    {
      name: `packets of ${host} are lost on the replication link`,
      kind: "one-way",
      possible: (w) => w.replication[side] === 1,
      make: (w) => (w.replication[side] = 0),
    },
    {
      name: `the heuristic address does not answer ${host}`,
      kind: "vote",
      possible: (w) => w.vote[side] === 1,
      make: (w) => (w.vote[side] = 0),
    },
    {
      name: `the fence device of ${host} does not answer`,
      kind: "bmc",
      possible: (w) => w.bmc[side] === 1 && w.policy !== "vote" && w.policy !== "witness",
      make: (w) => (w.bmc[side] = 0),
    },
    {
      // What auto_poweron does at a boot. Its database calls its own VMs halted, and those of the other host running.
      name: `the toolstack of ${host}, still master, starts its own VM`,
      kind: "toolstack",
      possible: (w) => running(w) && w.hosts.every((h) => h.master === 1) && reachesDisks(w, side),
      make: (w, t) => {
        const h = w.host(side);
        if (side === 0 && h.vmA === VM.absent) h.vmA = VM.running;
        if (side === 1 && h.vmB === VM.absent) h.vmB = VM.running;
        t.look();
      },
    },
  ];
}

export const FAULTS: readonly Move[] = [
  ...SIDES.flatMap(perHost),
  {
    name: "the switch dies",
    kind: "link",
    possible: (w) => w.vote[0] + w.vote[1] + w.management[0] + w.management[1] > 0,
    make: (w) => {
      set(w.management, 0);
      set(w.vote, 0);
    },
  },
  {
    name: "no fence device answers",
    kind: "bmc",
    possible: (w) => w.bmc[0] === 1 && w.bmc[1] === 1 && w.policy !== "vote" && w.policy !== "witness",
    make: (w) => set(w.bmc, 0),
  },
  {
    name: "the heuristic address is gone",
    kind: "vote",
    possible: (w) => w.vote[0] === 1 && w.vote[1] === 1,
    make: (w) => set(w.vote, 0),
  },
  {
    name: "the replication link is cut",
    kind: "replication",
    possible: (w) => w.replication[0] === 1 || w.replication[1] === 1,
    make: (w) => set(w.replication, 0),
  },
  {
    name: "a filter between the hosts cuts their management network",
    kind: "filter",
    possible: (w) => w.management[0] === 1 || w.management[1] === 1,
    make: (w) => set(w.management, 0),
  },
  ...ORDERS,
];

export const REPAIRS: readonly Move[] = [
  ...SIDES.flatMap((side): Move[] => {
    const host = hostName(side);
    return [
      {
        name: `${host} is powered on`,
        kind: "repair",
        possible: (w) => w.host(side).power === 0,
        make: (w, t) => {
          powerOn(w, side);
          t.startDaemon(side);
        },
      },
      {
        name: `dom0 of ${host} runs on`,
        kind: "repair",
        possible: (w) => w.host(side).frozen === 1,
        make: (w) => (w.host(side).frozen = 0),
      },
      {
        name: `the daemon of ${host} runs on`,
        kind: "repair",
        possible: (w) => w.host(side).stalled === 1,
        make: (w) => (w.host(side).stalled = 0),
      },
      {
        name: `the daemon of ${host} is started`,
        kind: "repair",
        possible: (w) => w.kernelAlive(side) && !w.facts(side).alive,
        make: (_, t) => t.startDaemon(side),
      },
      {
        name: `the hands of ${host} move again`,
        kind: "repair",
        possible: (w) => w.host(side).stuck === 1,
        make: (w) => (w.host(side).stuck = 0),
      },
      {
        name: `the fence device of ${host} answers again`,
        kind: "repair",
        possible: (w) => w.bmc[side] === 0,
        make: (w) => (w.bmc[side] = 1),
      },
    ];
  }),
  {
    name: "the management network and the heuristic address are back",
    kind: "repair",
    possible: (w) => w.vote[0] + w.vote[1] + w.management[0] + w.management[1] < 4,
    make: (w) => {
      set(w.management, 1);
      set(w.vote, 1);
    },
  },
  {
    name: "the replication link is back",
    kind: "repair",
    possible: (w) => w.replication[0] + w.replication[1] < 2,
    make: (w) => set(w.replication, 1),
  },
  ...MODE_REPAIRS,
];

/** Two daemons and their host are as they should be: what liveness starts from. */
export function repairAll(world: World, ticker: Ticker): void {
  for (const repair of REPAIRS) if (repair.possible(world)) repair.make(world, ticker);
}

export const allVmsRun = (world: World): boolean => {
  const [a, b] = world.hosts;
  return (a.vmA === VM.running || b.vmA === VM.running) && (a.vmB === VM.running || b.vmB === VM.running);
};
