// What alerts remember over a restart: who was told what, and what still waits for its server. One small file; a disk that is
// full or broken is told once, and memory goes on without it.

import * as z from "zod/mini";
import type { JsonCache } from "../../drivers/store/json-cache.ts";
import { createJsonCache } from "../../drivers/store/json-cache.ts";
import type { Notice, Screen } from "./alert-screen.ts";
import type { OutboxState } from "./outbox.ts";

export interface Told extends Notice {
  /** Unique; the mail's Message-ID is made of it. */
  readonly uid: string;
}

export const ROUTES = ["mail", "storageMail", "xapi"] as const;
export type Route = (typeof ROUTES)[number];

export interface Remembered {
  readonly screen: Screen;
  readonly waiting: Readonly<Record<Route, OutboxState<Told>>>;
}

const number = z.number();
const told = z.object({
  uid: z.string(),
  id: z.string(),
  kind: z.enum(["raised", "repeated", "over"]),
  text: z.string(),
  repeats: number,
  sinceWallMs: number,
  wallMs: number,
});
const outbox = z.object({ items: z.array(told), dropped: number });
const screened = z.object({
  text: z.string(),
  isOpen: z.boolean(),
  toldOpen: z.boolean(),
  toldWallMs: number,
  sinceWallMs: number,
  repeats: number,
  confirmed: z.boolean(),
});
const remembered = z.object({
  screen: z.record(z.string(), screened),
  waiting: z.object({ mail: outbox, storageMail: outbox, xapi: outbox }),
});

const EMPTY: OutboxState<Told> = { items: [], dropped: 0 };
export const NOTHING: Remembered = { screen: {}, waiting: { mail: EMPTY, storageMail: EMPTY, xapi: EMPTY } };

export const alertCache = (path: string): JsonCache<Remembered> =>
  createJsonCache(path, (value) => {
    const parsed = remembered.safeParse(value);
    return parsed.success ? parsed.data : null;
  });

export interface AlertStore {
  /** Something changed: written soon, with what follows at once in the same write. */
  changed(): void;
  /** Tries again what could not be written. */
  retry(): void;
  /** Resolves when nothing is being written. */
  settled(): Promise<void>;
}

export function createAlertStore(
  cache: JsonCache<Remembered>,
  now: () => Remembered,
  onTrouble: (reason: string | null) => void,
): AlertStore {
  let isDirty = false;
  let isTroubled = false;
  let writing: Promise<void> | null = null;

  async function write(): Promise<void> {
    // All that changes in this turn goes into one write.
    await Promise.resolve();
    while (isDirty) {
      isDirty = false;
      const saved = await cache.save(now());
      if (saved.ok === isTroubled) onTrouble(saved.ok ? null : saved.error);
      isTroubled = !saved.ok;
      if (!saved.ok) {
        isDirty = true;
        return;
      }
    }
  }

  function begin(): void {
    writing ??= write().finally(() => {
      writing = null;
    });
  }

  return {
    changed() {
      isDirty = true;
      begin();
    },
    retry() {
      if (isDirty) begin();
    },
    async settled() {
      await writing;
    },
  };
}
