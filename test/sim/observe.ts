// What a host's drivers see of it and tell the brain.

import { known, unknown } from "../../src/core/model/observation.ts";
import { other } from "./settings.ts";
import { targetHangs, type Host, type Sim } from "./sim.ts";
import { localNow } from "./stage.ts";

export function observeTarget(sim: Sim, h: Host): void {
  if (targetHangs(sim, h))
    return sim.feed(h, { kind: "target", target: unknown("tgtadm: no answer", localNow(sim, h)) });
  const { running, filled, portalOpen } = h.target;
  sim.feed(h, { kind: "target", target: known({ running, filled, portalOpen }, localNow(sim, h)) });
}

export function observeVip(sim: Sim, h: Host): void {
  sim.feed(h, { kind: "vip", vip: known(h.vip ? "present" : "absent", localNow(sim, h)) });
}

export function observeDomains(sim: Sim, h: Host): void {
  const list = [...h.domains].map(([uuid, { paused }], i) => ({ uuid, domId: i + 1, name: uuid, paused }));
  sim.feed(h, { kind: "domains", domains: known(list, localNow(sim, h)) });
}

export function observeXapi(sim: Sim, h: Host): void {
  if (h.toolstackUntil > sim.now)
    return sim.feed(h, { kind: "xapi", xapi: unknown("xapi does not answer", localNow(sim, h)) });
  const role = h.disk.xapi;
  const masterId = role === "master" ? h.name : other(h.name);
  sim.feed(h, { kind: "xapi", xapi: known({ role, masterId }, localNow(sim, h)) });
}
