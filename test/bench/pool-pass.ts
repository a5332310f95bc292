// One pass of the leader over its pool, everything that is decided and nothing that waits: every member's report is taken in
// and answered, the clock ticks, every VM is judged, the room after a failure is counted, and the VMs of one lost host are
// placed on the others.

import { beatFor } from "../../src/core/pool/beats.ts";
import { initialPoolState } from "../../src/core/pool/initial.ts";
import type { PoolConfig, PoolState } from "../../src/core/pool/model.ts";
import { poolStep } from "../../src/core/pool/step.ts";
import { capacityOf, freeOf, type HostRoom } from "../../src/core/decide/vms/capacity.ts";
import { guardPass, type GuardMemory } from "../../src/core/decide/vms/guard.ts";
import { decideHostLoss } from "../../src/core/decide/vms/host-loss.ts";
import { startGroups } from "../../src/core/decide/vms/order.ts";
import { place } from "../../src/core/decide/vms/placement.ts";
import type { VmFacts } from "../../src/core/decide/vms/protection.ts";
import { everyVm, vm } from "../core/decide/vms/vm.ts";
import { TIMERS } from "../core/pool/timers.ts";
import type { Size } from "./table.ts";

const uuid = (kind: string, n: number): string => `${kind.repeat(8)}-0000-4000-8000-${String(n).padStart(12, "0")}`;
const GIB = 2 ** 30;

export function poolPass(hostCount: number, vmCount: number): Size {
  const hosts = Array.from({ length: hostCount }, (_, i) => uuid("a", i + 1));
  const [own = "", second = "", lost = ""] = hosts;
  const config = (hostId: string): PoolConfig => ({
    hostId,
    hosts,
    storageHosts: [own, second],
    cfgHash: "same",
    policy: "vote",
    timers: TIMERS,
    fenceEnabled: true,
    quorumRequired: true,
    minHosts: 2,
    mayRestart: true,
    mayLead: true,
    rebootLoneHost: false,
    watchdogUsed: true,
    removedRules: [],
  });
  const vms: readonly VmFacts[] = Array.from({ length: vmCount }, (_, i) =>
    vm({
      uuid: uuid("b", i),
      name: `vm${i}`,
      residentOn: hosts[i % hostCount] ?? own,
      order: i % 3,
      memoryBytes: GIB * (1 + (i % 4)),
    }),
  );
  const rooms: readonly HostRoom[] = hosts.map((id) => ({ uuid: id, name: id, guestBytes: 256 * GIB, usable: true }));
  const domains = new Map(
    hosts.map((id) => [id, new Set(vms.filter((one) => one.residentOn === id).map((one) => one.uuid))]),
  );
  const lastSeen = new Map(vms.map((one) => [one.uuid, one.residentOn]));
  const durable = {
    poolId: "pool",
    ha: "on" as const,
    flags: { manual: false, maintenance: false },
    peerHa: "on" as const,
    peerFlags: { manual: false, maintenance: false },
    epoch: 1,
    owner: own,
    solo: {},
    lastSync: {},
    takeovers: 0,
  };
  const start = (hostId: string): PoolState =>
    initialPoolState({ config: config(hostId), durable: { ...durable, hostId }, bootId: hostId, incarnation: 1 }, 0);
  const pair = { authority: true, epoch: 1, owner: own, ha: "on" as const, maintenance: false, peerOff: false };
  let leader = poolStep(start(own), { kind: "pair", facts: pair }, 1).state;
  const members = hosts.slice(1).map((hostId) => {
    const list = [...(domains.get(hostId) ?? [])].map((name, i) => ({ uuid: name, domId: i, name, paused: false }));
    const looked = { kind: "known" as const, value: list, at: 1 };
    return poolStep(start(hostId), { kind: "domains", domains: looked }, 1).state;
  });
  let memory: GuardMemory = new Map();
  let now = 10;

  return {
    name: `${String(hostCount).padStart(2)} hosts, ${String(vmCount).padStart(4)} VMs`,
    units: vmCount,
    run() {
      now += 750;
      for (const member of members) {
        const body = beatFor(member, own, true, now);
        const heard = { body, echoSentAt: now - 750, receivedAt: now };
        const step = poolStep(leader, { kind: "beat", heard }, now);
        leader = step.state;
        for (const action of step.actions) if (action.kind === "beat") beatFor(leader, action.to, action.asks, now);
      }
      leader = poolStep(leader, { kind: "tick" }, now).state;
      memory = guardPass(memory, {
        now,
        wallMs: now,
        vms,
        hosts: rooms,
        policy: everyVm,
        domains,
        vacated: new Set<string>(),
        active: true,
        refusal: null,
        xapiChooses: false,
        answers: new Map(),
      }).memory;
      capacityOf(rooms, vms, everyVm);
      const decided = decideHostLoss({
        vms,
        policy: everyVm,
        lostHost: lost,
        ownHost: own,
        lastSeen,
        localDomains: domains.get(own) ?? null,
      });
      const wanted = new Set(decided.flatMap((one) => (one.verdict.kind === "start" ? [one.uuid] : [])));
      const left = [...freeOf(rooms, vms)].filter(([id]) => id !== lost);
      place(
        startGroups(vms.filter((one) => wanted.has(one.uuid))),
        left.map(([hostId, freeBytes]) => ({ hostId, freeBytes })),
      );
    },
  };
}
