// The daemon's passwords: read from XAPI Secrets when their references change, kept in a file only root can read (the
// fence device is needed most when the pool's database is not there), moved out of other-config when found in the open.

import { keepSecret, readSecrets, secretReferences } from "../../act/pool/secrets.ts";
import type { Done, PoolContext } from "../../act/pool/procedure.ts";
import { parametersOf } from "../../config/parameters.ts";
import { createJsonCache, parseTexts } from "../../drivers/store/json-cache.ts";
import { err, ok, type Result } from "../../util/result.ts";

export const SECRETS_CACHE = "/var/lib/tandem/secrets.json";

export interface SecretsOptions {
  readonly perform: <T>(work: (context: PoolContext) => Promise<Done<T>>) => Promise<Result<T, string>>;
  readonly onSecrets: (secrets: Readonly<Record<string, string>>) => void;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly alerts: { raise(id: string, text: string): void; clear(id: string): void };
  /** Only one host moves what both see in the open: the one whose toolstack is the master. */
  readonly isMaster: () => boolean;
  readonly cachePath?: string;
}

export interface Secrets {
  /** Hands out what the last daemon of this host knew. */
  load(): Promise<void>;
  poolChanged(otherConfig: Readonly<Record<string, string>>): void;
  /** Found in the open in other-config. */
  move(open: readonly { readonly name: string; readonly value: string }[]): void;
  /** A new value from an administrator; "" removes it. */
  set(name: string, text: string): Promise<Result<"kept", string>>;
}

const NAMES = parametersOf("pool")
  .filter((one) => one.secret)
  .map((one) => one.name);

export function createSecrets(options: SecretsOptions): Secrets {
  const cache = createJsonCache(options.cachePath ?? SECRETS_CACHE, parseTexts);
  let references = "";
  let known: Readonly<Record<string, string>> = {};
  const moving = new Set<string>();

  async function take(texts: Readonly<Record<string, string>>): Promise<void> {
    known = texts;
    options.onSecrets(texts);
    const saved = await cache.save(texts);
    if (!saved.ok) options.log("action.failed", saved.error, "warn");
  }

  async function read(wanted: Readonly<Record<string, string>>): Promise<void> {
    const texts = await options.perform((context) => readSecrets(context, wanted));
    if (texts.ok) return take(texts.value);
    // Tried again with the next change or reading of the pool; until then the last known ones stay.
    references = "";
    options.log("action.failed", texts.error, "warn");
  }

  async function moveOne(name: string, value: string): Promise<void> {
    const kept = await options.perform((context) => keepSecret(context, name, value));
    moving.delete(name);
    if (!kept.ok) return options.log("action.failed", kept.error, "warn");
    const text = `${name} stood in the pool's other-config, where every user of the pool could read it; it is a XAPI Secret now. Change the password`;
    options.alerts.raise(`secret-${name}`, text);
  }

  return {
    async load() {
      const texts = await cache.load();
      if (texts === null) return;
      known = texts;
      options.onSecrets(texts);
    },
    poolChanged(otherConfig) {
      const wanted = secretReferences(otherConfig, NAMES);
      const text = JSON.stringify(wanted);
      if (text === references) return;
      references = text;
      if (Object.keys(wanted).length > 0) void read(wanted);
      else if (Object.keys(known).length > 0) void take({});
    },
    move(open) {
      if (!options.isMaster()) return;
      for (const { name, value } of open) {
        if (moving.has(name)) continue;
        moving.add(name);
        void moveOne(name, value);
      }
    },
    async set(name, text) {
      if (!NAMES.includes(name)) return err(`Cannot keep ${name}: it is no secret`);
      const kept = await options.perform((context) => keepSecret(context, name, text));
      if (!kept.ok) return kept;
      options.alerts.clear(`secret-${name}`);
      return ok("kept");
    },
  };
}
