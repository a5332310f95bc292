// For the person who must choose between two copies that grew apart: how much each of them has that the other one lacks, and
// when it was written last. DRBD keeps no time of a write; a change of the kernel's counter is seen within seconds.

import type { DrbdView } from "../../core/model/drbd.ts";
import type { Millis } from "../../core/model/time.ts";
import type { DrbdPort } from "../../drivers/drbd/port.ts";
import { inStep } from "../in-step.ts";

type Parted = Partial<Pick<DrbdView, "outOfSyncKiB" | "lastWriteWallMs">>;

export interface PartedOptions {
  readonly drbd: Pick<DrbdPort, "counters">;
  readonly views: () => ReadonlyMap<string, DrbdView>;
  readonly wallMs: () => number;
  readonly onNews: () => void;
  readonly lookMs?: Millis | undefined;
}

const LOOK_MS: Millis = 5_000;

export function watchParted(options: PartedOptions): { of(name: string, view: DrbdView): Parted; stop(): void } {
  const { drbd, views, wallMs } = options;
  const written = new Map<string, { readonly sectors: number; readonly atWallMs: number | null }>();
  const outOfSync = new Map<string, number>();
  let looking = false;

  async function look(): Promise<void> {
    if (looking) return;
    looking = true;
    let isNews = false;
    for (const [name, view] of views()) {
      const alone = view.connection === "StandAlone";
      if (!alone) outOfSync.delete(name);
      // Only a Primary is written to, and only a copy that stands alone is asked for.
      if (view.role !== "Primary" && !alone) continue;
      const found = await drbd.counters(name);
      if (found.writtenSectors !== null) noteWritten(name, found.writtenSectors);
      if (!alone || found.outOfSyncKiB === null || found.outOfSyncKiB === outOfSync.get(name)) continue;
      outOfSync.set(name, found.outOfSyncKiB);
      isNews = true;
    }
    looking = false;
    if (isNews) options.onNews();
  }

  /** The first look tells only where the counter stands. */
  function noteWritten(name: string, sectors: number): void {
    const before = written.get(name);
    if (before?.sectors === sectors) return;
    written.set(name, { sectors, atWallMs: before === undefined ? null : wallMs() });
  }

  const timer = inStep(options.lookMs ?? LOOK_MS, () => void look());
  return {
    of(name, { connection }) {
      if (connection !== "StandAlone") return {};
      const at = written.get(name)?.atWallMs ?? null;
      const lacks = outOfSync.get(name);
      return {
        ...(lacks === undefined ? {} : { outOfSyncKiB: lacks }),
        ...(at === null ? {} : { lastWriteWallMs: at }),
      };
    },
    stop: () => timer.stop(),
  };
}
