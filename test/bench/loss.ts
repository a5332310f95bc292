// Heartbeats lost at random: how often the hosts suspect one another without reason, and that nothing is ever taken over
// for it. Virtual time; the real decision function on both hosts.

import { LINKS } from "../sim/network.ts";
import { NAMES } from "../sim/settings.ts";
import { servingWorld } from "../sim/world.ts";

export interface LossRow {
  readonly percent: number;
  /** Both links lose packets, or one does and the other is cut. */
  readonly links: 1 | 2;
  readonly hours: number;
  readonly suspicions: number;
  /** Changes of owner, copies left behind, power-offs, hosts that stopped serving. */
  readonly acts: number;
  readonly violations: number;
}

const MINUTE_MS = 60_000;
/** What a host does when it believes that the other one is gone. */
const ACTS = /^(storage\.(activat|releas)|epoch\.committed|fence\.requested|self-fence)/;

export function lossRow(percent: number, links: 1 | 2, minutes: number, seeds: number): LossRow {
  let [suspicions, acts, violations] = [0, 0, 0];
  for (let seed = 1; seed <= seeds; seed++) {
    const world = servingWorld({ policy: "vote", seed });
    if (links === 1) for (const name of NAMES) world.links.management[name] = false;
    for (const link of LINKS) world.network.quality[link] = { loss: percent / 100, twice: 0, delay: 0 };
    const before = world.log.length;
    world.run(minutes * MINUTE_MS);
    const events = world.log.slice(before).map(({ event }) => event);
    suspicions += events.filter((event) => event === "peer.suspected").length;
    acts += events.filter((event) => ACTS.test(event)).length;
    violations += world.violations.length;
  }
  return { percent, links, hours: (minutes * seeds) / 60, suspicions, acts, violations };
}

export function lossTable(rows: readonly LossRow[]): string {
  const cells = (row: readonly string[]): string => row.map((cell, i) => cell.padStart(i === 0 ? 8 : 14)).join("");
  return [
    "Heartbeats lost at random, VOTE, two hosts in virtual time",
    cells(["loss", "links", "hours", "suspicions/h", "acts"]),
    ...rows.map(({ percent, links, hours, suspicions, acts }) =>
      cells([`${percent} %`, String(links), hours.toFixed(1), (suspicions / hours).toFixed(2), String(acts)]),
    ),
  ].join("\n");
}
