// What people and init systems ask of the two daemons: modes, planned moves, the shutdown of a host, the exchange of a
// daemon. Most of it costs one of the budget like a fault; ending a mode is a repair.

import type { FaultKind, Move } from "./moves.ts";
import { happen, type CommandName } from "./happening.ts";
import { VM } from "./host.ts";
import { hostName, otherSide, SIDES, type Side } from "./scale.ts";
import type { World } from "./world.ts";

const command =
  (side: Side, name: CommandName): Move["make"] =>
  (w, t) => {
    if (name !== "leave" && name !== "pause") w.history?.forgetMoves();
    t.event(side, happen.command(name));
  };

const inManualMode = (w: World, side: Side): boolean => w.awake(side) && w.facts(side).manual;

function ordersOf(side: Side): readonly Move[] {
  const host = hostName(side);
  const order = (kind: FaultKind, what: string, name: CommandName, possible: (w: World) => boolean): Move => ({
    name: `an operator on ${host} ${what}`,
    kind,
    possible: (w) => w.awake(side) && possible(w),
    make: command(side, name),
  });
  const contact = (w: World): boolean => w.facts(side).contact;
  return [
    order("operator", "switches the storage over", "switch", contact),
    order(
      "operator",
      "confirms that the other host is off",
      "confirm-peer-off",
      (w) => w.host(otherSide(side)).power === 0 && !contact(w),
    ),
    order("ha", "switches HA off", "disable", (w) => w.facts(side).ha === "on"),
    order("ha", "switches HA off by force", "disable --force", (w) => w.facts(side).ha === "on" && !contact(w)),
    order("manual", "begins manual mode", "manual on", (w) => !w.facts(side).manual),
    order("manual", "says become-primary", "become-primary", (w) => inManualMode(w, side)),
    order("manual", "says become-secondary", "become-secondary", (w) => inManualMode(w, side)),
    {
      // Its VMs were stopped or moved away before the daemon is told (A13); where they go is not its business.
      name: `${host} shuts down`,
      kind: "leave",
      possible: (w) => w.awake(side) && !w.facts(side).leaves,
      make: (w, t) => {
        Object.assign(w.host(side), { vmA: VM.absent, vmB: VM.absent });
        t.look();
        command(side, "leave")(w, t);
      },
    },
    {
      name: `the daemon of ${host} is exchanged`,
      kind: "pause",
      possible: (w) => w.awake(side) && !w.facts(side).leaves,
      make: command(side, "pause"),
    },
  ];
}

/** Orders of one host, in the order of the sides. */
export const ORDERS: readonly Move[] = SIDES.flatMap(ordersOf);

/** What brings modes back to normal. */
export const MODE_REPAIRS: readonly Move[] = SIDES.flatMap((side): Move[] => {
  const host = hostName(side);
  const idle = (w: World): boolean => w.awake(side) && !w.facts(side).commanded;
  return [
    {
      name: `an operator on ${host} switches HA on again`,
      kind: "repair",
      possible: (w) => idle(w) && w.facts(side).contact && w.facts(side).ha !== "on",
      make: command(side, "enable"),
    },
    {
      name: `an operator on ${host} ends manual mode`,
      kind: "repair",
      possible: (w) => idle(w) && w.facts(side).manual,
      make: command(side, "manual off"),
    },
  ];
});
