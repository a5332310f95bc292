// Keeps this host's PBDs of our SRs plugged: xapi plugs them once at its start, which is before the storage serves when a whole
// site boots. Tried a bounded number of times, then a person is told. What a person unplugs later is not plugged again, only
// told: it costs no call to look, the pool's view is fed by events.

import { ownPlugs, replug, type PlugEnd, type PlugState } from "../../act/pool/replug.ts";
import type { PoolContext, Done } from "../../act/pool/procedure.ts";
import type { Config } from "../../config/config.ts";
import { peerOwns } from "../../core/facts.ts";
import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { SessionFound } from "../../drivers/iscsi-initiator/sessions.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { Alerts } from "../alerts/alerts.ts";
import type { Snapshot } from "../brain/messages.ts";

export interface PlugWatchParts {
  readonly now: () => Instant;
  readonly config: () => Pick<Config, "self" | "peer" | "storage">;
  readonly snapshot: () => Snapshot | null;
  readonly view: () => Observation<PoolView>;
  readonly findSession: (iqn: string) => SessionFound;
  readonly perform: <T>(
    work: (context: PoolContext) => Promise<Done<T>>,
    permitted?: () => boolean,
  ) => Promise<Result<T, string>>;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface PlugWatch {
  /** A quick look, once a second. */
  look(): void;
  /** An administrator's word: tried once, now. The text names each SR. */
  replug(): Promise<Result<string, string>>;
}

export const PLUG_ALERT = "sr-unplugged";
/** Waits before each attempt: xapi's own plugging at its start takes some seconds. */
export const ATTEMPTS_MS: readonly Millis[] = [5_000, 10_000, 20_000, 40_000, 80_000, 160_000];
/** Told from this failed attempt on. */
const TELL_AFTER = 2;
/** What is found wrong must be so for this long: an SR that is just being plugged looks the same. */
const LASTS_MS: Millis = 5_000;
const PLUG_MS: Millis = 60_000;

/** The host that serves, by what this host knows: nobody while the storage is moved, or while this host is in maintenance. */
function servedBy(
  { state, serving, inContact }: Snapshot,
  { self, peer }: Pick<Config, "self" | "peer">,
): string | null {
  if (state.durable.flags.maintenance) return null;
  if (serving) return self.uuid;
  return inContact && peerOwns(state) && state.peer.body?.intent === "none" ? peer.uuid : null;
}

export function createPlugWatch(parts: PlugWatchParts): PlugWatch {
  const { alerts, log, config } = parts;
  const portal = (): string => config().storage?.vip.address ?? "";
  const serves = (): string | null => {
    const snapshot = parts.snapshot();
    return snapshot === null ? null : servedBy(snapshot, config());
  };
  let served: string | null = null;
  let attempts = 0;
  let nextAt: Instant = 0;
  /** All were plugged since the storage came to serve where it does: what is unplugged later was unplugged by a person. */
  let settled = false;
  let badSince: Instant | null = null;
  let busy = false;

  function plugs(): readonly PlugState[] {
    const view = valueOf(parts.view());
    // Without an initiator in the kernel nothing is known about sessions, so none is called gone.
    const hasSession = (iqn: string) => parts.findSession(iqn) !== "gone";
    return view === undefined ? [] : ownPlugs(view, config().self.uuid, portal(), hasSession);
  }

  function attempt(bad: readonly PlugState[], permitted: () => boolean): Promise<Result<readonly PlugEnd[], string>> {
    return parts.perform((context) => replug(context, bad, PLUG_MS), permitted);
  }

  function tell(bad: readonly PlugState[], because: string): void {
    const names = bad.map(
      ({ sr, state }) => `SR ${sr} is ${state === "unplugged" ? "unplugged" : "plugged without an iSCSI session"}`,
    );
    alerts.raise(PLUG_ALERT, `${names.join("; ")} on this host${because}; run 'iscsi-cfg replug' here`);
  }

  async function mend(bad: readonly PlugState[]): Promise<void> {
    attempts += 1;
    const done = await attempt(bad, () => serves() !== null);
    const ends: readonly PlugEnd[] = done.ok ? done.value : bad.map((one) => ({ ...one, failure: done.error }));
    const failed = ends.filter((one) => one.failure !== null);
    const because = [...new Set(failed.map((one) => one.failure))].join("; ");
    if (failed.length === 0) log("pool.step", `${bad.length} SRs of this host are plugged again`);
    else log("action.failed", `plug storage, attempt ${attempts} of ${ATTEMPTS_MS.length}: ${because}`, "warn");
    if (failed.length > 0 && attempts >= TELL_AFTER) tell(failed, ` after ${attempts} attempts (${because})`);
    nextAt = parts.now() + (ATTEMPTS_MS[attempts] ?? 0);
  }

  return {
    look() {
      const now = parts.now();
      const before = served;
      served = serves();
      // Also while nothing can be seen: a toolstack that restarts meanwhile tries to plug, and may fail.
      if (served !== before) {
        attempts = 0;
        settled = false;
        nextAt = now + (ATTEMPTS_MS[0] ?? 0);
      }
      if (served === null || valueOf(parts.view()) === undefined || busy) return;
      const bad = plugs().filter((one) => one.state !== "plugged");
      if (bad.length === 0) {
        if (badSince !== null || !settled) alerts.clear(PLUG_ALERT);
        badSince = null;
        settled = true;
        attempts = 0;
        return;
      }
      badSince ??= now;
      if (now - badSince < LASTS_MS) return;
      const ours = bad.filter((one) => one.state === "no-session" || !settled);
      if (ours.length === 0) return tell(bad, "");
      if (attempts >= ATTEMPTS_MS.length || now < nextAt) return;
      busy = true;
      void mend(ours).finally(() => (busy = false));
    },
    async replug() {
      if (valueOf(parts.view()) === undefined) return err("the pool's database cannot be read now");
      const all = plugs();
      if (all.length === 0) return err(`no SR of this pool has ${portal()} as its target`);
      attempts = 0;
      settled = false;
      const done = await attempt(all, () => true);
      if (!done.ok) return done;
      const failed = done.value.filter((one) => one.failure !== null);
      if (failed.length > 0) return err(failed.map(({ sr, failure }) => `SR ${sr}: ${failure ?? ""}`).join("\n"));
      return ok(
        done.value.map(({ sr, state }) => `SR ${sr}: ${state === "plugged" ? "was" : "is"} plugged`).join("\n"),
      );
    },
  };
}
