// Keeps the configuration current: the local file, the pool's parameters, the secrets and the peer key as they change. A
// change is judged as a whole and either taken up or refused with the reason; then the old values stay in force.
//
//   wanted (newest of every source) ──► checked, compared with what runs ──► in force, at once or in two steps
//                                                 └──► refused: kept, judged again when HA or the storage changes

import type { Config } from "../../config/config.ts";
import { effectiveConfig, type EffectiveInput } from "../../config/effective.ts";
import { refusalsOfChanges, withChanges, type Changes } from "../../config/pool-changes.ts";
import type { LocalFile } from "../../config/local-file.ts";
import { describeProblem, type Problem } from "../../config/problem.ts";
import { LOCAL_FILE } from "../../config/read-local-file.ts";
import { cautious, planReload } from "../../config/reload.ts";
import type { TimerFacts } from "../../config/timers.ts";
import { watchLocalFile } from "../../config/watch.ts";
import type { CoreConfig } from "../../core/model/config.ts";
import { createJsonCache, parseTexts } from "../../drivers/store/json-cache.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { GOOD_COPY, keepCopy, openLocalFile } from "./local-copy.ts";
import { NOTHING_FOUND, type StorageFinding } from "./storage-facts.ts";

export const POOL_CACHE = "/var/lib/tandem/pool-parameters.json";
/** Storage that did not fit is looked at again: an interface may come up, a resource may be made. */
const RECHECK_MS = 10_000;

export interface SettingsOptions {
  readonly path?: string;
  readonly inventoryPath?: string;
  readonly cachePath?: string;
  readonly copyPath?: string;
  /** Names the peer key without giving it away. */
  readonly keyIdOf: (poolId: string) => string;
  readonly settleMs?: number;
  readonly recheckMs?: number;
}

export interface SettingsHooks {
  /** What this host really has. */
  readonly look: (config: Config) => Promise<StorageFinding>;
  /** HA is on, or on its way off, on this host. */
  readonly haIsOn: () => boolean;
  /** Something else is in force now. */
  readonly onChange: () => void;
  /** Why the newest wish of a source is not in force; empty when nothing is refused any more. Told once per change. */
  readonly onRefused: (reasons: readonly string[]) => void;
  /** What is in force could not be kept for the next start. */
  readonly onUnkept: (reason: string) => void;
  /** Secrets that stand in the open in the pool's other-config. */
  readonly onOpenSecrets: (
    open: readonly { readonly name: string; readonly key: string; readonly value: string }[],
  ) => void;
}

export interface Settings {
  /** In force on this host. */
  readonly config: () => Config;
  /** What the decision function works with: `config().core`, or its cautious form while the other host has older values. */
  readonly core: () => CoreConfig;
  readonly input: () => EffectiveInput;
  /** DRBD's timings, for the inequalities. */
  readonly timings: () => readonly Partial<TimerFacts>[];
  /** Why these pool parameters cannot be set now; empty: they can. */
  readonly refusalsOf: (changes: Changes) => readonly string[];
  /** Begins to watch and to check. */
  start(hooks: SettingsHooks): void;
  poolChanged(otherConfig: Readonly<Record<string, string>>): void;
  secretsChanged(secrets: Readonly<Record<string, string>>): void;
  keyChanged(keyId: string): void;
  /** The other host shows this hash: a change in two steps ends when it is ours. */
  peerShows(cfgHash: string): void;
  /** Looks at the storage again and judges what was refused; resolves when that is done. */
  reconsider(): Promise<void>;
  stop(): Promise<void>;
}

type Wanted = Pick<EffectiveInput, "local" | "pool" | "secrets" | "keyId">;

export async function openSettings(options: SettingsOptions): Promise<Result<Settings, readonly string[]>> {
  const path = options.path ?? LOCAL_FILE;
  const copyPath = options.copyPath ?? GOOD_COPY;
  const opened = await openLocalFile(path, copyPath, options.inventoryPath);
  if (!opened.ok) return err(opened.error.map(describeProblem));
  const atStart = opened.value;
  /** A broken file at the start counts until another one is in force. */
  const problemsWith = (local: LocalFile, storage: StorageFinding): readonly Problem[] =>
    local === atStart.file ? [...atStart.problems, ...storage.problems] : storage.problems;
  const cache = createJsonCache(options.cachePath ?? POOL_CACHE, parseTexts);
  let lastGood = await cache.load();
  let wanted: Wanted = {
    local: atStart.file,
    pool: null,
    secrets: {},
    keyId: options.keyIdOf(atStart.file.poolId),
  };
  let inForce = wanted;
  let found: StorageFinding = NOTHING_FOUND;
  let current = withProblems(effectiveConfig({ ...inForce, lastGood }).config, problemsWith(inForce.local, found));
  /** What the other host may still decide by, while a change is taken up in two steps. */
  let older: CoreConfig | null = null;
  let hooks: SettingsHooks | null = null;
  let refused = "";
  let localProblems: readonly string[] = [];
  let stopWatching: (() => Promise<void>) | null = null;
  let recheck: NodeJS.Timeout | undefined;
  let stopped = false;
  let last: Promise<void> = Promise.resolve();

  /** Takes up `candidate`, or gives the reasons against it. */
  async function judge(candidate: Wanted, world: SettingsHooks, lookAgain: boolean): Promise<readonly string[]> {
    const result = effectiveConfig({ ...candidate, lastGood });
    const isNewFile = candidate.local !== inForce.local;
    const looked = lookAgain || isNewFile || found.problems.length > 0 ? await world.look(result.config) : found;
    const next = withProblems(result.config, problemsWith(candidate.local, looked));
    const plan = planReload(current, next, world.haIsOn());
    const against = [
      ...(plan.kind === "refused" ? plan.reasons : []),
      ...(isNewFile ? looked.problems.map(describeProblem) : []),
    ];
    if (plan.kind === "refused" || against.length > 0) return against;
    inForce = candidate;
    found = looked;
    if (result.lastGood !== null && JSON.stringify(result.lastGood) !== JSON.stringify(lastGood)) {
      lastGood = result.lastGood;
      kept(await cache.save(lastGood), world);
    }
    if (isNewFile) kept(await keepCopy(copyPath, candidate.local), world);
    if (result.secretsToMove.length > 0) world.onOpenSecrets(result.secretsToMove);
    if (JSON.stringify(next) === JSON.stringify(current)) return [];
    if (plan.kind === "staged") older = inTwoSteps(current.core);
    current = next;
    world.onChange();
    return [];
  }

  function kept(saved: Result<unknown, string>, world: SettingsHooks): void {
    if (!saved.ok) world.onUnkept(saved.error);
  }

  /** `next` beside what the other host may still have. */
  const inTwoSteps = (next: CoreConfig): CoreConfig => (older === null ? next : cautious(older, next));

  /** The newest of all sources; where that is refused, as much of it as can be taken up. */
  async function settle(lookAgain: boolean): Promise<void> {
    if (hooks === null || stopped) return;
    // With HA off nobody decides by anything.
    if (older !== null && !hooks.haIsOn()) {
      older = null;
      hooks.onChange();
    }
    const newest = wanted;
    const reasons = await judge(newest, hooks, lookAgain);
    if (reasons.length > 0) {
      const { local, pool } = inForce;
      for (const part of [{ local }, { pool }, { local, pool }]) {
        const taken = await judge({ ...newest, ...part }, hooks, false);
        if (taken.length === 0) break;
      }
    }
    tell(reasons);
    clearTimeout(recheck);
    if (found.problems.length > 0) recheck = setTimeout(() => wake(), options.recheckMs ?? RECHECK_MS);
  }

  function tell(reasons: readonly string[]): void {
    const all = [...localProblems, ...reasons];
    if (all.join("\n") === refused) return;
    refused = all.join("\n");
    hooks?.onRefused(all);
  }

  function wake(lookAgain = false): void {
    last = last.then(() => settle(lookAgain));
  }

  return ok({
    config: () => current,
    core: () => withDisarm(current, inTwoSteps(current.core)),
    input: () => ({ ...inForce, lastGood }),
    timings: () => found.timings.map((drbd) => ({ drbd })),
    refusalsOf(changes) {
      const input = { ...inForce, lastGood };
      const invalid = refusalsOfChanges(input, changes);
      if (invalid.length > 0 || hooks === null) return invalid;
      const after = effectiveConfig({ ...input, pool: withChanges(input.pool ?? {}, changes) });
      const plan = planReload(current, withProblems(after.config, problemsWith(input.local, found)), hooks.haIsOn());
      return plan.kind === "refused" ? plan.reasons : [];
    },
    start(given) {
      hooks = given;
      const isCopy = atStart.problems.length > 0;
      if (!isCopy) void keepCopy(copyPath, atStart.file).then((saved) => kept(saved, given));
      const watch = watchLocalFile(
        // A copy that equals the mended file must not hide it.
        isCopy ? null : atStart.file,
        (file) => {
          localProblems = [];
          wanted = { ...wanted, local: file };
          wake();
        },
        (problems) => {
          localProblems = problems.map(describeProblem);
          // What the file said before is in force; nothing of the refused one is wanted any more.
          wanted = { ...wanted, local: inForce.local };
          wake();
        },
        {
          path,
          ...(options.inventoryPath === undefined ? {} : { inventoryPath: options.inventoryPath }),
          ...(options.settleMs === undefined ? {} : { settleMs: options.settleMs }),
        },
      );
      stopWatching = () => watch.stop();
      wake(true);
    },
    poolChanged(otherConfig) {
      // Every event of a VM brings the whole view: only news costs anything.
      if (JSON.stringify(otherConfig) === JSON.stringify(wanted.pool)) return;
      wanted = { ...wanted, pool: otherConfig };
      wake();
    },
    secretsChanged(secrets) {
      wanted = { ...wanted, secrets };
      wake();
    },
    keyChanged(keyId) {
      wanted = { ...wanted, keyId };
      wake();
    },
    peerShows(cfgHash) {
      if (older === null || cfgHash !== current.core.cfgHash) return;
      older = null;
      hooks?.onChange();
    },
    async reconsider() {
      wake(true);
      await last;
    },
    async stop() {
      stopped = true;
      clearTimeout(recheck);
      await stopWatching?.();
    },
  });
}

const withProblems = (config: Config, more: readonly Problem[]): Config =>
  more.length === 0 ? config : { ...config, problems: [...config.problems, ...more] };

/** A host whose own configuration is in doubt takes nothing over and shoots nobody; what it serves it goes on serving. */
function withDisarm(config: Config, core: CoreConfig): CoreConfig {
  const wrong = config.problems.filter((one) => one.severity === "error");
  const [first] = wrong;
  if (first === undefined) return core;
  const others = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : "";
  return { ...core, disarmed: `the configuration of this host has errors: ${describeProblem(first)}${others}` };
}
