// Runs the passes of VM protection (spec part 6) on the event-fed view: events wake it, MONITOR_DELAY bounds it. Idle it
// asks xapi nothing. Starts run beside it, one batch at a time; a pass never waits.

import { performance } from "node:perf_hooks";
import { startWanted } from "../../act/pool/start-wanted.ts";
import { stopCauses } from "../../act/pool/stop-cause.ts";
import { vmFacts } from "../../act/pool/vm-facts.ts";
import type { NodeContext, Done } from "../../act/pool/procedure.ts";
import type { Config } from "../../config/config.ts";
import { capacityOf, type Capacity, type HostRoom } from "../../core/decide/vms/capacity.ts";
import { guardPass, LEFT_KEY, noteStart, type GuardMemory, type GuardPlan } from "../../core/decide/vms/guard.ts";
import { isProtected, selfStarting, type VmFacts, type VmPolicy } from "../../core/decide/vms/protection.ts";
import type { HaMode } from "../../core/model/durable.ts";
import type { DomainFact } from "../../core/model/event.ts";
import { known, unknown, valueOf, type Observation } from "../../core/model/observation.ts";
import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";
import type { DomainsPort } from "../../drivers/domains/port.ts";
import { describe } from "../../drivers/driver-error.ts";
import type { JsonCache } from "../../drivers/store/json-cache.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import type { Result } from "../../util/result.ts";
import type { Alerts } from "../alerts/alerts.ts";
import { inStep } from "../in-step.ts";
import type { OutsideEvent } from "../brain/messages.ts";
import { createStrayWatch, strayed } from "./strayed-vms.ts";
import { keptOf, memoryOf, sameKept, type KeptVms } from "./vm-memory.ts";

export interface VmWatch {
  /** The view of the pool changed: the next pass comes at once. */
  wake(): void;
  /** What the last pass found; null before the first. */
  report(): VmReport | null;
  stop(): Promise<void>;
}

export interface VmReport {
  readonly total: number;
  readonly protected: number;
  readonly running: number;
  readonly capacity: Capacity;
  /** Protected VMs that xapi starts by itself at boot (A10). */
  readonly selfStarting: readonly string[];
  /** VMs that ought to run and do not, with what they wait for or why they stay down. */
  readonly down: readonly { readonly name: string; readonly because: string }[];
}

/** What the passes need of the brain, that of the pair or that of a larger pool. */
export interface VmSnapshot {
  readonly ha: HaMode;
  /** Null: not known. */
  readonly role: "master" | "supporter" | null;
  readonly ownDomains: readonly DomainFact[] | null;
  /** What each other host's daemon says runs there; null: it does not say so now. */
  readonly others: ReadonlyMap<string, ReadonlySet<string> | null>;
  /** Hosts that are away and told, before they went, that no domain runs on them (A13). */
  readonly vacated: ReadonlySet<string>;
  /** Other hosts without whose word nothing is started. */
  readonly needed: readonly string[];
  readonly ownVmsRefusal: string | null;
  /** The pool-master role is on its way from one host to the other, or may be. */
  readonly roleMoves: boolean;
}

export interface VmWatchParts {
  readonly config: () => Pick<Config, "self" | "vm" | "pass">;
  readonly clock: Pick<ClockPort, "now" | "wallMs">;
  readonly domains: Pick<DomainsPort, "list">;
  readonly snapshot: () => VmSnapshot | null;
  readonly view: () => Observation<PoolView>;
  readonly perform: <T>(
    work: (context: NodeContext) => Promise<Done<T>>,
    permitted: () => boolean,
  ) => Promise<Result<T, string>>;
  readonly feed: (event: Extract<OutsideEvent, { readonly kind: "domains" | "protection" }>) => void;
  readonly cache: JsonCache<KeptVms>;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly restartToolstack: () => Promise<string | null>;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly tickMs?: Millis;
}

const TICK_MS: Millis = 1_000;
/** What wakes it comes in storms. */
const SOON_MS: Millis = 250;
/** While a VM is down that ought to run. */
const PENDING_MS: Millis = 1_000;
const LOOK_MS: Millis = 2_000;

export const policyOf = ({ vm }: Pick<Config, "vm">): VmPolicy => ({
  opMode: vm.opMode,
  globalVmHa: vm.globalVmHa,
  fieldName: vm.fieldName,
  disabledAppliances: vm.disabledVapps,
  masterOnly: vm.masterOnly,
});

export function startVmWatch(parts: VmWatchParts): VmWatch {
  const { config, clock, snapshot, log } = parts;
  let memory: GuardMemory = new Map();
  let kept: KeptVms = { savedWallMs: 0, hosts: {} };
  const answers = new Map<string, "on-purpose" | "by-itself">();
  let woken = true;
  let soon: NodeJS.Timeout | undefined;
  let passedAt = -Infinity;
  let lookedAt = -Infinity;
  let unlike = false;
  let asking = false;
  let starting = false;
  let begun = false;
  let lastRole: "master" | "supporter" | null = null;
  let last: VmReport | null = null;
  let unprotected = "";
  const strays = createStrayWatch({ ...parts, now: clock.now, restart: parts.restartToolstack });
  const raised = new Set<string>();
  const told = new Map<string, string>();

  async function begin(): Promise<void> {
    const found = await parts.cache.load();
    if (found !== null) {
      kept = found;
      memory = memoryOf(found);
    }
    begun = true;
  }
  const ready = begin();

  function tick(): void {
    if (!begun) return;
    const sinceMs = clock.now() - passedAt;
    const due = woken || sinceMs >= config().pass.delayMs;
    const pending = sinceMs >= PENDING_MS && (unlike || [...memory.values()].some((one) => one.stop !== null));
    const pool = valueOf(parts.view());
    const state = snapshot();
    if (!(due || pending) || pool === undefined || state === null) return;
    woken = false;
    passedAt = clock.now();
    pass(pool, state);
  }

  function pass(pool: PoolView, now: VmSnapshot): void {
    const policy = policyOf(config());
    const hosts = roomsOf(pool);
    const vms = pool.vms.map(vmFacts(pool.hosts, pool.appliances));
    tellProtection(vms, policy);
    unlike = differs(vms, now);
    if (now.ownDomains !== null)
      strays.see(strayed(vms, now.ownDomains), {
        handsOff: now.ownVmsRefusal !== null || pool.haEnabled,
        toolstackBusy: now.roleMoves || starting || vms.some(({ operations }) => operations.length > 0),
      });
    if (unlike && clock.now() - lookedAt >= LOOK_MS) {
      lookedAt = clock.now();
      void lookAtDomains();
    }
    const { role } = now;
    const refusal = refusalOf(pool, now, role);
    // A supporter learns from the master's database what runs; what it remembers from before it was one may be long past.
    if (role === "supporter" && lastRole !== role) memory = onlyRunning(memory, vms);
    lastRole = role ?? lastRole;
    const plan = guardPass(memory, {
      now: clock.now(),
      wallMs: clock.wallMs(),
      vms,
      hosts,
      policy,
      domains: domainsOf(now),
      vacated: now.vacated,
      active: now.ha === "on",
      refusal,
      xapiChooses: config().vm.anyHostByXapi,
      answers,
    });
    memory = plan.memory;
    for (const uuid of answers.keys()) if (memory.get(uuid)?.stop?.cause !== "unknown") answers.delete(uuid);
    for (const { name, because } of plan.given) log("vm.stopped", `${name}: ${because}`);
    tellWaiting(plan);
    tellAlarms(plan, now);
    keep();
    report(vms, hosts, policy, plan);
    if (plan.questions.length > 0) void askCauses(plan.questions);
    if (plan.groups.length > 0) void startAll(plan);
    for (const uuid of plan.unmark) unmark(pool, uuid);
  }

  function refusalOf(pool: PoolView, now: VmSnapshot, role: VmSnapshot["role"]): string | null {
    if (pool.haEnabled) return "XAPI's own HA is enabled on this pool";
    if (now.ownVmsRefusal !== null) return now.ownVmsRefusal;
    if (role !== "master" && !config().vm.checkOnEveryHost)
      return "the pool master starts VMs (SLAVE_VM_STAT is 0 on this host)";
    return null;
  }

  /** Not only with the next period: both hosts judge by it, the other one by the next heartbeat. */
  async function lookAtDomains(): Promise<void> {
    const list = await parts.domains.list();
    const at = performance.now();
    parts.feed({ kind: "domains", domains: list.ok ? known(list.value, at) : unknown(describe(list.error), at) });
  }

  /** xapi and the last list of this host's domains do not say the same. */
  function differs(vms: readonly VmFacts[], { ownDomains }: VmSnapshot): boolean {
    const self = config().self.uuid;
    const listed = new Set((ownDomains ?? []).map((domain) => domain.uuid));
    const here = vms.filter((vm) => vm.residentOn === self && vm.powerState !== "Halted");
    return here.length !== listed.size || here.some((vm) => !listed.has(vm.uuid));
  }

  function domainsOf({ ownDomains, others }: VmSnapshot): ReadonlyMap<string, ReadonlySet<string> | null> {
    const own = ownDomains === null ? null : new Set(ownDomains.map((domain) => domain.uuid));
    return new Map([...others, [config().self.uuid, own]]);
  }

  function tellProtection(vms: readonly VmFacts[], policy: VmPolicy): void {
    const list = vms.filter((vm) => !isProtected(vm, policy)).map((vm) => vm.uuid);
    const text = list.toSorted().join(" ");
    if (text === unprotected) return;
    unprotected = text;
    parts.feed({ kind: "protection", unprotected: list });
  }

  function tellWaiting(plan: GuardPlan): void {
    const now = new Map(plan.waiting.map((one) => [one.uuid, `${one.name} ought to run and waits: ${one.because}`]));
    for (const [uuid, text] of now) if (told.get(uuid) !== text) log("vm.waiting", text);
    told.clear();
    for (const [uuid, text] of now) told.set(uuid, text);
  }

  /** Both hosts see the same VMs: only the one that would start them raises the alarm. */
  function tellAlarms(plan: GuardPlan, { ownVmsRefusal }: VmSnapshot): void {
    const mine = ownVmsRefusal === null && (lastRole === "master" || config().vm.checkOnEveryHost);
    const now = new Map(mine ? plan.alarms.map((one) => [`vm-down:${one.uuid}`, `${one.name}: ${one.because}`]) : []);
    for (const [id, text] of now) parts.alerts.raise(id, text);
    for (const id of raised) if (!now.has(id)) parts.alerts.clear(id);
    raised.clear();
    for (const id of now.keys()) raised.add(id);
  }

  function keep(): void {
    const next = keptOf(memory, clock.wallMs());
    if (sameKept(kept, next)) return;
    kept = next;
    void parts.cache.save(next).then((saved) => {
      if (!saved.ok) log("action.failed", saved.error, "warn");
    });
  }

  function report(vms: readonly VmFacts[], hosts: readonly HostRoom[], policy: VmPolicy, plan: GuardPlan): void {
    const capacity = capacityOf(hosts, vms, policy);
    last = {
      total: vms.length,
      protected: vms.filter((vm) => isProtected(vm, policy)).length,
      running: vms.filter((vm) => vm.powerState === "Running").length,
      capacity,
      selfStarting: selfStarting(vms, policy).map((vm) => vm.name),
      down: [...plan.alarms, ...plan.waiting].map(({ name, because }) => ({ name, because })),
    };
    if (capacity.shortage === null) return parts.alerts.clear("overcommit");
    const names = capacity.shortage.vms.map((vm) => vm.name);
    const some = names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
    parts.alerts.raise(
      "overcommit",
      `without ${capacity.shortage.host} there is no memory for ${some}: stop VMs, or give hosts more memory`,
    );
  }

  async function askCauses(questions: GuardPlan["questions"]): Promise<void> {
    if (asking) return;
    asking = true;
    const found = await parts.perform(
      (context) => stopCauses(context, questions),
      () => true,
    );
    asking = false;
    if (!found.ok) return log("pool.step", `why VMs stopped could not be asked: ${found.error}`, "warn");
    for (const [uuid, cause] of found.value) answers.set(uuid, cause);
    wake();
  }

  async function startAll(plan: GuardPlan): Promise<void> {
    if (starting) return;
    starting = true;
    const names = new Map(plan.groups.flat().map(({ vm }) => [vm.uuid, vm.name]));
    log("vm.starting", `${[...names.values()].join(", ")} ought to run`);
    const groups = plan.groups.map((group) => group.map(({ vm, host }) => ({ vmUuid: vm.uuid, hostUuid: host })));
    // Each call has a deadline; this bounds the batch (MONITOR_MAX_STARTS passes that found it still running).
    const { maxStarts, scanRateMs, killAll } = config().pass;
    const hung = new AbortController();
    const limit = setTimeout(() => {
      log("vm.failed", `the starts are still under way after ${Math.round((maxStarts * scanRateMs) / 1000)} s`, "warn");
      if (killAll) hung.abort();
    }, maxStarts * scanRateMs);
    const done = await parts.perform(
      (context) =>
        startWanted(
          { ...context, signal: AbortSignal.any([context.signal, hung.signal]) },
          {
            groups,
            ownUuid: config().self.uuid,
            domains: allDomains,
            onEnd(uuid, failure) {
              memory = noteStart(memory, uuid, failure, clock.now());
              const name = names.get(uuid) ?? uuid;
              if (failure === null) log("vm.started", name);
              else log("vm.failed", `${name}: ${failure}`, "warn");
            },
          },
        ),
      () => snapshot()?.ownVmsRefusal === null,
    );
    clearTimeout(limit);
    starting = false;
    if (!done.ok) log("vm.failed", done.error, "warn");
    wake();
  }

  /** This host's domains asked anew, the others' by their newest beats; null: what has to be known is not. */
  async function allDomains(): Promise<ReadonlySet<string> | null> {
    const own = await parts.domains.list();
    const now = snapshot();
    if (!own.ok || now === null || now.needed.some((host) => (now.others.get(host) ?? null) === null)) return null;
    return new Set([
      ...own.value.map((domain) => domain.uuid),
      ...[...now.others.values()].flatMap((its) => [...(its ?? [])]),
    ]);
  }

  function unmark(pool: PoolView, uuid: string): void {
    const vm = pool.vms.find((one) => one.uuid === uuid);
    if (vm === undefined) return;
    void parts.perform(
      async (context) => {
        const session = await context.gate.openPool(context.readMs, context.signal);
        if (!session.ok) return { ok: false, error: { kind: "xapi", during: "log in", error: session.error } };
        await session.value.call("VM.remove_from_other_config", [vm.ref, LEFT_KEY], context.readMs, context.signal);
        await session.value.logout(1_000);
        return { ok: true, value: "removed" };
      },
      () => true,
    );
  }

  function wake(): void {
    woken = true;
    soon ??= setTimeout(() => {
      soon = undefined;
      tick();
    }, SOON_MS);
  }

  const timer = inStep(parts.tickMs ?? TICK_MS, tick);
  return {
    wake,
    report: () => last,
    async stop() {
      timer.stop();
      clearTimeout(soon);
      await ready;
    },
  };
}

const onlyRunning = (memory: GuardMemory, vms: readonly VmFacts[]): GuardMemory => {
  const running = new Set(vms.filter((vm) => vm.powerState === "Running").map((vm) => vm.uuid));
  return new Map([...memory].filter(([uuid]) => running.has(uuid)));
};

export const roomsOf = (pool: PoolView): readonly HostRoom[] =>
  pool.hosts.map((host) => ({
    uuid: host.uuid,
    name: host.name,
    guestBytes: host.memoryForGuests,
    usable: host.enabled && host.live,
  }));
