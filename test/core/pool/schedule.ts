// Random faults from a seed on one pool, and the end of all faults.

import { World, type WorldOptions } from "./world.ts";

/** One schedule; throws with the seed when an invariant breaks. */
export function play(options: WorldOptions & { readonly seed: number }): World {
  const world = new World(options);
  const pick = (): number => 1 + Math.floor(world.random() * options.hosts);
  world.run(8_000 + world.random() * 4_000);
  const faults = 1 + Math.floor(world.random() * 5);
  for (let i = 0; i < faults; i += 1) {
    const n = pick();
    const kind = Math.floor(world.random() * 8);
    const isOwner = world.owner === n - 1;
    if (kind === 0) {
      world.powerOff(n);
      if (isOwner) world.moveStorage(n === 1 ? 2 : 1);
    }
    if (kind === 1 && !isOwner) world.isolate(n);
    if (kind === 2) world.cut(n, pick());
    if (kind === 3) world.cut(n, pick(), false);
    if (kind === 4 && !isOwner) world.host(n).stalledUntil = world.now + world.random() * 25_000;
    if (kind === 5) world.restartDaemon(n);
    if (kind === 6) world.heal();
    if (kind === 7) world.powerOn(n);
    world.run(world.random() * world.random() * 30_000);
  }
  return world;
}

/** Links and daemons are mended, and whatever is off is switched on, again while fencing that was under way still hits. */
export function settle(world: World): void {
  world.heal();
  for (const host of world.hosts) host.stalledUntil = Math.min(host.stalledUntil, world.now);
  for (let round = 0; round < 3; round += 1) {
    for (let n = 1; n <= world.hosts.length; n += 1) world.powerOn(n);
    if (world.options.storage && (world.owner === null || !world.host(world.owner + 1).powered)) world.moveStorage(1);
    world.run(50_000);
  }
}
