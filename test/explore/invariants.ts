// What must never be (protocol.md 10), on every world that is reached and at every effect on the way. V5 and V7 are
// checked where a thing is decided (decisions.ts), V9, and V4 and V6 at the promotion, where it is done (kernel.ts,
// tick.ts), V10 and V12 over the past (history.ts).

import { VM, VM_NAMES } from "./host.ts";
import type { World } from "./world.ts";

export function checkWorld(world: World): void {
  if (world.violation !== null) return;
  const [a, b] = world.hosts;
  if (world.serves(0) && world.serves(1)) world.broke("V1 both hosts serve");
  if (a.vmA === VM.running && b.vmA === VM.running) world.broke(`V2 ${VM_NAMES[0]} executes on both hosts`);
  if (a.vmB === VM.running && b.vmB === VM.running) world.broke(`V2 ${VM_NAMES[1]} executes on both hosts`);
  if (a.fresh === 0 && b.fresh === 0 && !world.surroundings.split)
    world.broke("V3 no copy holds every acknowledged write");
  if (world.delta === 0) {
    const mine = world.facts(0).owner;
    const theirs = world.facts(1).owner;
    if (mine !== null && theirs !== null && mine !== theirs) world.broke("V6 one epoch has two owners");
  }
}

/** V14: one fault never takes both hosts down. */
export function checkAfterOneFault(world: World): void {
  if (world.host(0).power === 0 && world.host(1).power === 0) world.broke("V14 one fault took both hosts down");
}
