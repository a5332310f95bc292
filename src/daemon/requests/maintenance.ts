// `maintenance on|off`: the whole procedure of taking this host out of service and back. What was begun is on disk, so a
// restart of the daemon in the middle goes on with it.
//
//   on:  no new VMs here → VMs move away → storage and master role to the other host → HA holds for this host
//   off: HA counts this host → VMs may run here again → the copy catches up → the VMs that were moved come back
//
// Nothing is forced: what cannot be done stops the procedure with the reason, and "off" leads back from every stage.

import { disableHost, enableHost, evacuateHost, type Evacuation } from "../../act/pool/maintenance.ts";
import type { Done, PoolContext } from "../../act/pool/procedure.ts";
import { returnVms } from "../../act/pool/return-vms.ts";
import type { Config } from "../../config/config.ts";
import { allInSync, isOwner } from "../../core/facts.ts";
import type { Command } from "../../core/model/event.ts";
import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import type { JsonCache } from "../../drivers/store/json-cache.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import { ok, type Result } from "../../util/result.ts";
import type { KeptMaintenance } from "./maintenance-cache.ts";
import type { Snapshot } from "../brain/messages.ts";
import { createPatience, MAINTENANCE_WAITS, type MaintenanceTimes } from "./patience.ts";

export interface MaintenanceParts {
  readonly command: (body: Command) => Promise<ControlReply>;
  readonly perform: <T>(work: (context: PoolContext) => Promise<Done<T>>) => Promise<Result<T, string>>;
  readonly designatePeer: () => Promise<Result<string, string>>;
  readonly snapshot: () => Snapshot | null;
  readonly view: () => Observation<PoolView>;
  readonly config: () => Pick<Config, "self" | "peer" | "vm">;
  readonly clock: ClockPort;
  readonly cache: JsonCache<KeptMaintenance | null>;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly times?: MaintenanceTimes;
  /** The procedures on the pool; tests put shorter clocks in. */
  readonly pool?: Pick<typeof REAL, "disable" | "enable" | "evacuate" | "bringBack">;
}

export interface Maintenance {
  begin(tell: (text: string) => void): Promise<ControlReply>;
  end(returnThem: boolean, tell: (text: string) => void): Promise<ControlReply>;
  /** At the start of the daemon: goes on with what an earlier one began. */
  resume(): Promise<void>;
}

const REAL = {
  disable: (context: PoolContext, uuid: string) => disableHost(context, uuid),
  enable: (context: PoolContext, uuid: string) => enableHost(context, uuid),
  evacuate: (context: PoolContext, uuid: string) => evacuateHost(context, uuid),
  bringBack: (context: PoolContext, order: Parameters<typeof returnVms>[1]) => returnVms(context, order),
};

export function createMaintenance(parts: MaintenanceParts): Maintenance {
  const { clock, cache } = parts;
  const times = parts.times ?? MAINTENANCE_WAITS;
  const pool = parts.pool ?? REAL;
  const { onPool, wait } = createPatience(clock, parts.perform, times);
  let running: string | null = null;

  /** One procedure at a time, each step told to the log and to whoever asked. */
  async function alone(
    what: string,
    tell: (text: string) => void,
    work: (say: (text: string) => void) => Promise<ControlReply>,
  ): Promise<ControlReply> {
    if (running !== null)
      return refused(`maintenance is ${running} just now`, "wait for it to end: ha-cfg log shows its steps");
    running = what;
    const say = (text: string): void => {
      parts.log("maintenance.step", text);
      tell(text);
    };
    try {
      const reply = await work(say);
      if ("reason" in reply) parts.log("maintenance.step", `stopped: ${reply.reason}`, "error");
      return reply;
    } finally {
      running = null;
    }
  }

  async function keep(next: KeptMaintenance | null): Promise<void> {
    const saved = await cache.save(next);
    if (!saved.ok) parts.log("action.failed", saved.error, "warn");
  }

  const state = (): Snapshot["state"] | null => parts.snapshot()?.state ?? null;

  function residents(): readonly { readonly uuid: string; readonly name: string }[] {
    const view = valueOf(parts.view());
    const own = view?.hosts.find(({ uuid }) => uuid === parts.config().self.uuid);
    if (view === undefined || own === undefined) return [];
    return view.vms.filter((vm) => vm.residentOn === own.ref).map(({ uuid, name }) => ({ uuid, name }));
  }

  /** Before anything is touched: would the other host carry everything? */
  function obstacle(): ControlReply | null {
    const now = parts.snapshot();
    const { peer } = parts.config();
    if (now === null) return failed("the daemon has only just started", "try again in a second");
    if (!now.inContact)
      return refused(`${peer.name} does not answer, so nothing can be handed over to it`, "see 'ha-cfg status'", "A11");
    if (now.state.peer.body?.flags.maintenance === true)
      return refused(`${peer.name} is in maintenance itself`, `run 'ha-cfg maintenance off' on ${peer.name}`, "A11");
    if (isOwner(now.state) && !allInSync(now.state))
      return refused(
        `the copy on ${peer.name} is not up to date, so the storage cannot move there`,
        "see 'iscsi-cfg status' for the resync",
        "A11",
      );
    if (valueOf(parts.view()) === undefined)
      return failed("the pool database is not readable just now", "see 'ha-cfg status'");
    const here = parts.config().vm.masterOnly ? residents().map(({ name }) => name) : [];
    if (here.length > 0)
      return refused(`MASTER_ONLY is 1, and ${here.join(", ")} run here`, "their own manager moves them away first");
    return null;
  }

  async function enter(say: (text: string) => void): Promise<ControlReply> {
    const { self, peer } = parts.config();
    const before = await cache.load();
    if (state()?.durable.flags.maintenance === true && before?.phase === "held")
      return { kind: "done", text: `${self.name} is in maintenance` };
    const against = obstacle();
    if (against !== null) return against;
    const here = residents();
    const kept: KeptMaintenance = {
      phase: "entering",
      moved: [...new Set([...(before?.moved ?? []), ...here.map(({ uuid }) => uuid)])],
      returnVms: true,
    };
    await keep(kept);
    const stop = async (reply: ControlReply): Promise<ControlReply> => {
      await keep({ ...kept, phase: "stopped" });
      return reply;
    };
    say(`no VM is started on ${self.name} any more`);
    const disabled = await parts.perform((context) => pool.disable(context, self.uuid));
    if (!disabled.ok) return stop(failed(disabled.error, BACK));
    say(here.length === 0 ? `no VM runs on ${self.name}` : `moving ${here.length} VMs to ${peer.name}`);
    const moved = await telling(say, () => parts.perform((context) => pool.evacuate(context, self.uuid)));
    const stays = moved.ok ? whoStays(moved.value) : moved.error;
    if (stays !== null) {
      // Half empty it is of no use: back into service at once.
      const enabled = await parts.perform((context) => pool.enable(context, self.uuid));
      await keep({ ...kept, phase: "stopped" });
      const also = enabled.ok ? "" : `; and it could not be enabled again: ${enabled.error}`;
      return failed(
        `not every VM can leave ${self.name}: ${stays}${also}`,
        "shut these VMs down or move them, then try again",
      );
    }
    const handed = await handOver(say);
    if (handed !== null) return stop(handed);
    // The toolstack restarted with the master role, and enables its host when it starts.
    const still = await onPool(
      say,
      `disable ${self.name}`,
      (context) => pool.disable(context, self.uuid),
      times.toolstackMs,
    );
    if (!still.ok) return stop(failed(still.error, BACK));
    const flagged = await parts.command({ kind: "maintenance", on: true });
    if (flagged.kind !== "done") return stop(flagged);
    await keep({ ...kept, phase: "held" });
    return {
      kind: "done",
      text: `${self.name} is in maintenance: its VMs run on ${peer.name}, which has the storage and the master role. Reboot it or switch it off as you like; HA holds. End with: ha-cfg maintenance off`,
    };
  }

  /** Storage and master role; null when both are on the other host. */
  async function handOver(say: (text: string) => void): Promise<ControlReply | null> {
    const { peer } = parts.config();
    const now = state();
    if (now !== null && isOwner(now)) {
      say(`handing the storage over to ${peer.name}`);
      const switched = await parts.command({ kind: "switch", storageOnly: false });
      if (switched.kind !== "done") return switched;
    }
    const isMaster = (): boolean => {
      const seen = state();
      return seen === null || valueOf(seen.xapi)?.role !== "supporter";
    };
    if (!isMaster()) return null;
    say(`handing the master role over to ${peer.name}`);
    // With the storage the role moves by itself; where only the role is here it is asked for.
    const byItself = now !== null && isOwner(now);
    const waiting = (): string => `waiting for the toolstack of ${peer.name}`;
    if (byItself && (await wait(say, times.toolstackMs / 3, () => !isMaster(), waiting))) return null;
    const designated = await parts.designatePeer();
    if (await wait(say, times.toolstackMs, () => !isMaster(), waiting)) return null;
    return failed(
      `the master role did not move to ${peer.name}: ${designated.ok ? "its toolstack did not take it" : designated.error}`,
      BACK,
    );
  }

  /** Moving VMs takes long: says how many are left. */
  async function telling<T>(say: (text: string) => void, work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => say(`still moving: ${residents().length} VMs left`), times.tellMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  function whoStays({ left, blocked }: Evacuation): string | null {
    if (left.length === 0) return null;
    const view = valueOf(parts.view());
    return left
      .map(({ uuid, name }) => {
        const ref = view?.vms.find((vm) => vm.uuid === uuid)?.ref;
        const because = blocked.find(({ vmRef }) => vmRef === ref)?.because;
        return because === undefined ? name : `${name} (${because})`;
      })
      .join(", ");
  }

  async function leave(returnThem: boolean, say: (text: string) => void): Promise<ControlReply> {
    const { self } = parts.config();
    const before = await cache.load();
    if (before === null && state()?.durable.flags.maintenance === false)
      return { kind: "done", text: `${self.name} is not in maintenance` };
    const kept: KeptMaintenance = { phase: "leaving", moved: before?.moved ?? [], returnVms: returnThem };
    await keep(kept);
    // First of all: the other host may just have died, and then this one is to take over.
    const flagged = await parts.command({ kind: "maintenance", on: false });
    if (flagged.kind !== "done") {
      await keep({ ...kept, phase: "stopped" });
      return flagged;
    }
    if (parts.snapshot()?.inContact === true) return comeBack(kept, say);
    setImmediate(
      () =>
        void alone(
          "being left",
          () => undefined,
          (later) => comeBack(kept, later),
        ),
    );
    const { peer } = parts.config();
    return {
      kind: "done",
      text: `${self.name} counts for HA again. ${peer.name} does not answer: VMs may run on ${self.name} as soon as a toolstack answers; ha-cfg log shows it`,
    };
  }

  async function comeBack(kept: KeptMaintenance, say: (text: string) => void): Promise<ControlReply> {
    const { self } = parts.config();
    say(`VMs may run on ${self.name} again`);
    const enabled = await onPool(
      say,
      `enable ${self.name}`,
      (context) => pool.enable(context, self.uuid),
      times.toolstackMs,
    );
    if (!enabled.ok) {
      await keep({ ...kept, phase: "stopped" });
      return failed(enabled.error, "see 'ha-cfg log'; then run 'ha-cfg maintenance off' again");
    }
    say("waiting until both copies of the storage agree");
    const agrees = (): boolean => {
      const now = state();
      return now !== null && allInSync(now);
    };
    const inSync = await wait(say, times.resyncMs, agrees, () => `the copy catches up${percent()}`);
    const returned = kept.returnVms && kept.moved.length > 0 ? await bringBack(kept.moved, say) : ok(NOBODY);
    await keep(null);
    const behind = inSync ? "" : " The copy still catches up; it can take over when that ends (iscsi-cfg status).";
    if (!returned.ok)
      return failed(
        `${self.name} is in service again, but its VMs did not come back: ${returned.error}`,
        "move them by hand",
      );
    const { moved, stayed } = returned.value;
    const words = [
      moved.length > 0 ? ` Back here: ${moved.join(", ")}.` : "",
      stayed.length > 0 ? ` Not moved: ${stayed.map(({ name, because }) => `${name} (${because})`).join(", ")}.` : "",
    ];
    return {
      kind: "done",
      text: `${self.name} is in service again.${words.join("")}${behind} Storage and master role stay where they are; 'iscsi-cfg switch' moves them.`,
    };
  }

  const bringBack = (vmUuids: readonly string[], say: (text: string) => void) => {
    const toUuid = parts.config().self.uuid;
    say("bringing the VMs back that were moved away");
    return telling(say, () => parts.perform((context) => pool.bringBack(context, { vmUuids, toUuid })));
  };

  function percent(): string {
    const now = state();
    const done = Object.values((now === null ? undefined : valueOf(now.drbd)) ?? {}).map((view) => view.donePercent);
    const least = done.filter((one) => one !== null).toSorted((a, b) => a - b)[0];
    return least === undefined ? "" : `: ${least} %`;
  }

  return {
    begin: (tell) => alone("being entered", tell, enter),
    end: (returnThem, tell) => alone("being left", tell, (say) => leave(returnThem, say)),
    async resume() {
      const kept = await cache.load();
      if (kept === null || kept.phase === "stopped") return;
      const { self } = parts.config();
      const ready = (): boolean => parts.snapshot()?.inContact === true && valueOf(parts.view()) !== undefined;
      if (kept.phase !== "held")
        await wait(
          () => undefined,
          times.toolstackMs,
          ready,
          () => "",
        );
      if (kept.phase === "entering") await alone("being entered", () => undefined, enter);
      else if (kept.phase === "leaving")
        await alone(
          "being left",
          () => undefined,
          (say) => leave(kept.returnVms, say),
        );
      else {
        // A host that boots is enabled by its toolstack; this one is still out of service.
        const work = (context: PoolContext): Promise<Done<unknown>> => pool.disable(context, self.uuid);
        const say = (text: string): void => parts.log("maintenance.step", text);
        const done = await onPool(say, `disable ${self.name}`, work, times.toolstackMs);
        if (!done.ok) say(`${self.name} is in maintenance and could not be disabled: ${done.error}`);
      }
    },
  };
}

const NOBODY = { moved: [], stayed: [] } as const;
const BACK = "run 'ha-cfg maintenance on' again, or 'ha-cfg maintenance off' to go back";
const failed = (reason: string, next: string): ControlReply => ({ kind: "failed", reason, next });
const refused = (reason: string, next: string, rule: string | null = null): ControlReply => ({
  kind: "refused",
  rule,
  reason,
  next,
});
