// A counterexample as a timeline that a person can read and replay.

import { CONN } from "./host.ts";
import { moveOf, play, settledWorld } from "./search.ts";
import { hostName, SIDES, type Side, type Variant } from "./scale.ts";
import { ORDER_BIT, slowBit } from "./tick.ts";
import type { Surroundings, World } from "./world.ts";

const DISKS = ["-", "Inconsistent", "Outdated", "Consistent", "UpToDate"];
const CONNECTIONS: Readonly<Record<number, string>> = {
  [CONN.connecting]: "Connecting",
  [CONN.connected]: "Connected",
  [CONN.standAlone]: "StandAlone",
};

function hostLine(world: World, side: Side): string {
  const h = world.host(side);
  if (h.power === 0) return `${hostName(side)} off`;
  const local = world.locals[side].read(h.local);
  const { alive } = world.facts(side);
  const daemon = !alive ? "no daemon" : h.stalled === 1 ? "daemon stands still" : h.frozen === 1 ? "frozen" : "";
  const parts = [
    hostName(side),
    `${h.role === 1 ? "Primary" : "Secondary"}/${DISKS[h.disk]}/${CONNECTIONS[h.conn]}`,
    h.suspended === 1 ? "suspended" : "",
    world.serves(side) ? "SERVES" : "",
    `owner=${local.disk.owner ?? "none"} epoch${world.ahead(side) > 0 ? `+${world.ahead(side)}` : ""}`,
    Object.keys(local.disk.solo).length > 0 ? "solo" : "",
    local.state?.softFenced === true ? "soft-fenced" : "",
    local.state?.blocked ?? "",
    local.state?.activity?.kind ?? "",
    `vm-a:${h.vmA} vm-b:${h.vmB}`,
    daemon,
  ];
  return parts.filter((p) => p !== "").join(" ");
}

function describeTick(code: number): string {
  const slow = SIDES.filter((s) => (code & slowBit(s)) !== 0).map((s) => `${hostName(s)} slow`);
  const notes = [(code & ORDER_BIT) === 0 ? "" : "b first", ...slow].filter((n) => n !== "");
  return notes.length === 0 ? "" : ` (${notes.join(", ")})`;
}

/** Replays the moves from the settled world and tells what happens, line by line. */
export function timeline(variant: Variant, surroundings: Surroundings, moves: readonly number[]): readonly string[] {
  const { world, ticker } = settledWorld(variant, surroundings, true);
  const lines: string[] = [];
  let seconds = 0;
  for (const code of moves) {
    world.story = [];
    const move = moveOf(code);
    if (move !== null && !move.possible(world)) continue;
    play(world, ticker, code);
    if (move === null) seconds += 1;
    lines.push(move === null ? `${String(seconds).padStart(4)} s${describeTick(code)}` : `   *** ${move.name}`);
    for (const line of world.story) lines.push(`         ${line}`);
    lines.push(...SIDES.map((side) => `       | ${hostLine(world, side)}`));
    if (world.violation !== null) {
      lines.push(`       ! ${world.violation}`);
      break;
    }
  }
  return lines;
}

/** A trace in one line, for `--replay`. */
export const encodeTrace = (moves: readonly number[]): string => moves.map((m) => m.toString(36)).join(".");
export const decodeTrace = (text: string): number[] => text.split(".").map((m) => Number.parseInt(m, 36));
