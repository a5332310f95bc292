// The pool side of the hands: the view of the pool, and the procedures the brain asks for. Each procedure asks the newest
// decision again right before each dangerous call.

import { raisePoolAlert, type PoolAlert } from "../../act/pool/alert.ts";
import { becomeMaster } from "../../act/pool/become-master.ts";
import { designateMaster } from "../../act/pool/designate-master.ts";
import { describePoolFailure, type Done, type NodeContext } from "../../act/pool/procedure.ts";
import { recoverSupporters } from "../../act/pool/recover-supporters.ts";
import { recoverPeerVms, startConfirmedVms, type Survivor } from "../../act/pool/recover-vms.ts";
import { resetLeftVms } from "../../act/pool/reset-left.ts";
import type { PoolProcedures } from "../../act/execute.ts";
import type { Config } from "../../config/config.ts";
import { LEFT_KEY } from "../../core/decide/vms/guard.ts";
import { unknown, valueOf, type Observation } from "../../core/model/observation.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";
import type { DomainsPort } from "../../drivers/domains/port.ts";
import { startPoolCache, type PoolCache } from "../../drivers/xapi/cache.ts";
import { createPins } from "../../drivers/xapi/pins.ts";
import { createXapiNode } from "../../drivers/xapi/node-files.ts";
import type { PoolView, XapiNodePort } from "../../drivers/xapi/port.ts";
import { xapiRecords } from "../../drivers/xapi/records.ts";
import { createXapiGate } from "../../drivers/xapi/session.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { OutsideEvent, Snapshot } from "../brain/messages.ts";
import { policyOf } from "../vms/vm-watch.ts";
import type { ToolstackAnswer } from "./toolstack-watch.ts";

export interface PoolPart extends PoolProcedures {
  view(): Observation<PoolView>;
  /** Puts a message into the pool's database. */
  message(alert: PoolAlert): Promise<Result<"raised", string>>;
  /** A procedure of src/act/pool, its failure in words. `permitted` is asked before each change; left out: always. */
  perform<T>(work: (context: NodeContext) => Promise<Done<T>>, permitted?: () => boolean): Promise<Result<T, string>>;
  /** Does the toolstack of this very host work? Whatever the master does. */
  toolstack(): Promise<ToolstackAnswer>;
  /** A quick look, once a second. */
  look(): void;
  stop(): Promise<void>;
}

export interface PoolPartOptions {
  readonly config: () => Config;
  readonly clock: ClockPort;
  readonly domains: DomainsPort;
  readonly snapshot: () => Snapshot | null;
  /** Hosts besides this one that may be given the VMs of a lost host; null: there is none. */
  readonly survivors: (lostHost: string) => readonly Survivor[] | null;
  readonly feed: (event: OutsideEvent) => void;
  readonly onView: (view: Observation<PoolView>) => void;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly onCall: () => void;
  readonly paths: {
    readonly socket: string;
    readonly secret: string;
    readonly poolConf: string;
    readonly initComplete: string;
  };
}

/** pool.conf is one small file that xapi rewrites; looking at it costs less than a watch that a rename would break. */
const ROLE_MS = 1_900;

export function startPoolPart(options: PoolPartOptions): PoolPart {
  const { paths, clock } = options;
  const node = createXapiNode({ poolConf: paths.poolConf, initComplete: paths.initComplete });
  const pins = createPins();
  const gateOptions = {
    socketPath: paths.socket,
    secretPath: paths.secret,
    originator: "tandem",
    pinOf: pins.pinOf,
    onCall: options.onCall,
  };
  const gate = createXapiGate(gateOptions);
  const abort = new AbortController();
  let view: Observation<PoolView> = unknown("not asked yet", 0);
  /** Where each VM was seen to run while the pool was readable and the hosts beat: newer than a restored database. */
  const lastSeen = new Map<string, string | null>();
  const stoppedByLeaving = new Set<string>();
  let said = "";

  const cache: PoolCache = startPoolCache({
    gate: createXapiGate(gateOptions),
    clock,
    onChange(next) {
      view = next;
      const pool = valueOf(next);
      if (pool !== undefined) {
        remember(pool);
        pins.learn(pool);
      }
      const text = next.kind === "known" ? "the pool is readable" : `the pool is not readable: ${next.reason}`;
      if (text !== said)
        options.log(next.kind === "known" ? "xapi.read" : "xapi.lost", text, next.kind === "known" ? "info" : "warn");
      said = text;
      options.onView(next);
      void role();
    },
  });

  /** Only while the hosts talk: a database restored by a promotion knows less than what was seen before. */
  function remember(pool: PoolView): void {
    if (options.snapshot()?.inContact !== true) return;
    const uuidOf = new Map(pool.hosts.map((h) => [h.ref, h.uuid]));
    for (const vm of pool.vms) {
      const host = vm.residentOn === null ? null : (uuidOf.get(vm.residentOn) ?? null);
      lastSeen.set(vm.uuid, vm.powerState === "Running" || vm.powerState === "Paused" ? host : null);
      if (vm.otherConfig[LEFT_KEY] === options.config().peer.uuid) stoppedByLeaving.add(vm.uuid);
      else stoppedByLeaving.delete(vm.uuid);
    }
  }

  /** What the peer's last heartbeat said runs there is newer than any database. */
  function seenRunning(): ReadonlyMap<string, string | null> {
    const { self, peer } = options.config();
    const state = options.snapshot()?.state;
    const merged = new Map(lastSeen);
    for (const uuid of state?.peer.body?.domains ?? []) merged.set(uuid, peer.uuid);
    for (const { uuid } of (state === undefined ? undefined : valueOf(state.domains)) ?? [])
      merged.set(uuid, self.uuid);
    return merged;
  }

  let lastRole = "";
  async function role(): Promise<void> {
    const found = await node.role();
    const now = performance.now();
    if (!found.ok || found.value.kind === "broken") {
      stamp = null;
      const reason = found.ok ? "a hand-over of the master role is under way" : found.error;
      options.feed({ kind: "xapi", xapi: unknown(reason, now) });
      return;
    }
    const { kind } = found.value;
    const masterId = masterUuid(kind === "supporter" ? found.value.master : null);
    const text = `${kind} ${masterId ?? ""}`;
    if (text === lastRole) return;
    if (lastRole !== "" && !lastRole.startsWith(kind)) cache.restart();
    lastRole = text;
    options.feed({ kind: "xapi", xapi: { kind: "known", value: { role: kind, masterId }, at: now } });
  }

  function masterUuid(address: string | null): string | null {
    const { self, hosts } = options.config();
    if (address === null) return self.uuid;
    return hosts.find((h) => h.management === address)?.uuid ?? null;
  }

  async function localDomains(): Promise<ReadonlySet<string> | null> {
    const list = await options.domains.list();
    return list.ok ? new Set(list.value.map((d) => d.uuid)) : null;
  }

  let stamp: string | null = null;
  let stampedAt = -Infinity;
  function look(): void {
    if (clock.now() - stampedAt < ROLE_MS) return;
    stampedAt = clock.now();
    void node.roleStamp().then((found) => {
      const isOld = found !== null && found === stamp;
      stamp = found;
      return isOld ? undefined : role();
    });
  }
  void role();

  const context = (permitted: () => boolean): NodeContext & { readonly node: XapiNodePort } => ({
    gate,
    records: xapiRecords,
    clock,
    signal: abort.signal,
    permitted,
    progress: (step) => options.log("pool.step", step),
    readMs: options.config().xapi.timeoutMs,
    node,
  });

  return {
    view: () => view,
    look,
    async promote() {
      const mayPromote = (): boolean => {
        const snapshot = options.snapshot();
        return snapshot !== null && !snapshot.inContact && snapshot.serving;
      };
      const done = await becomeMaster(context(mayPromote), options.config().self.uuid);
      cache.restart();
      lastRole = "";
      await role();
      if (!done.ok) return err(describePoolFailure(done.error));
      return ok(`this host's toolstack is the pool master${done.value.complete ? "" : " (start-up not finished)"}`);
    },
    async designatePeer() {
      const { self, peer } = options.config();
      const mayDesignate = (): boolean => options.snapshot()?.inContact === true;
      const done = await designateMaster(context(mayDesignate), { ownUuid: self.uuid, targetUuid: peer.uuid });
      cache.restart();
      return done.ok ? ok("the other host's toolstack is the pool master") : err(describePoolFailure(done.error));
    },
    async recoverSupporters() {
      const { self, peer } = options.config();
      const mayRecover = (): boolean => {
        const snapshot = options.snapshot();
        return snapshot !== null && snapshot.inContact && snapshot.serving;
      };
      const done = await recoverSupporters(context(mayRecover), { ownUuid: self.uuid, peerUuids: [peer.uuid] });
      return done.ok ? ok(`the toolstack of ${peer.name} follows this one`) : err(describePoolFailure(done.error));
    },
    async recoverPeer() {
      const { self, peer } = options.config();
      const mayStart = (): boolean => {
        const snapshot = options.snapshot();
        return snapshot !== null && snapshot.restartRefusal === null;
      };
      const survivors = options.survivors(peer.uuid);
      const done = await recoverPeerVms(context(mayStart), {
        ...(survivors === null ? {} : { survivors }),
        deadUuid: peer.uuid,
        ownUuid: self.uuid,
        policy: policyOf(options.config()),
        lastSeen: seenRunning(),
        stoppedByLeaving,
        // declare_dead makes xapi forget where they ran; a later attempt finds them here.
        async remember(uuids) {
          for (const uuid of uuids) lastSeen.set(uuid, peer.uuid);
        },
        localDomains,
      });
      if (!done.ok) return err(describePoolFailure(done.error));
      const { starts } = done.value;
      for (const { name, attempts, outcome } of starts) {
        const failed = "because" in outcome;
        const text = failed ? `${name} after ${attempts} attempts: ${outcome.because}` : name;
        options.log(failed ? "vm.failed" : "vm.started", text, failed ? "error" : "info");
      }
      for (const { name, verdict } of done.value.alarms)
        options.log("vm.failed", `${name}: ${verdict.because}`, "error");
      return ok(`${starts.length} VMs of ${peer.name} were to be started here`);
    },
    async resetLeft() {
      const { self, peer } = options.config();
      const mayReset = (): boolean => {
        const snapshot = options.snapshot();
        return snapshot?.restartRefusal === null && snapshot.state.peer.body?.vacated === true;
      };
      const done = await resetLeftVms(context(mayReset), {
        ownUuid: self.uuid,
        leftUuid: peer.uuid,
        lastSeen: seenRunning(),
        stoppedByLeaving,
        localDomains,
      });
      if (!done.ok) return err(describePoolFailure(done.error));
      for (const { name, because } of done.value.left)
        options.log("vm.waiting", `${name} is not reset: ${because}`, "warn");
      return ok(`halted in the database as on ${peer.name}: ${done.value.halted.join(", ") || "nothing to do"}`);
    },
    async startConfirmed(uuids) {
      const mayStart = (): boolean => {
        const snapshot = options.snapshot();
        return snapshot !== null && snapshot.inContact && snapshot.serving;
      };
      const order = { ownUuid: options.config().self.uuid, vmUuids: uuids, localDomains };
      const done = await startConfirmedVms(context(mayStart), order);
      if (!done.ok) return err(describePoolFailure(done.error));
      return ok(`${uuids.length} VMs that stalled on the other host were to be started here`);
    },
    async perform(work, permitted = () => true) {
      const done = await work(context(permitted));
      return done.ok ? done : err(describePoolFailure(done.error));
    },
    async message(alert) {
      const done = await raisePoolAlert(
        context(() => true),
        alert,
      );
      return done.ok ? done : err(describePoolFailure(done.error));
    },
    async toolstack() {
      const session = await gate.openLocal(options.config().xapi.timeoutMs, abort.signal);
      if (session.ok) {
        void session.value.logout(1_000);
        return "answers";
      }
      switch (session.error.kind) {
        case "api":
        case "malformed":
          return "answers";
        case "timeout":
          return "silent";
        case "transport":
          return "absent";
      }
    },
    async stop() {
      abort.abort();
      await cache.stop();
    },
  };
}
