// Judges a disk against what was acknowledged: lost writes, and writers that wrote at the same time.
// Must never take silence for proof: a VM whose region was not read is named as not checked.
import { CLOCK_TOLERANCE_MS } from "./analysis.ts";
import { slotOf } from "./block.ts";
import type { Collector } from "./collector.ts";
import { ackTimesOf, firstAbove, rangesBefore, type Incarnation } from "./facts.ts";
import type { RegionReport } from "./region.ts";

export interface LostWrite {
  readonly vm: string;
  readonly seq: number;
  readonly slot: number;
  readonly ackedBy: string;
  readonly found: string;
}

export interface TwoWriters {
  readonly vm: string;
  readonly older: { readonly node: string; readonly incarnation: string };
  readonly newer: { readonly node: string; readonly incarnation: string };
  readonly evidence: string;
  readonly count: number;
}

export interface Comparison {
  readonly ackedWritesLost: number;
  readonly lost: readonly LostWrite[];
  readonly twoWriters: readonly TwoWriters[];
  /** Slots with half blocks, blocks of another VM or anything else that no VM wrote there. */
  readonly damagedSlots: number;
  /** VMs with acknowledged writes whose region was not in the output of verify. */
  readonly notChecked: readonly string[];
  /** Acknowledged numbers whose slot was looked at. */
  readonly checkedSlots: number;
}

const who = (of: Incarnation): { node: string; incarnation: string } => ({
  node: of.hello.node,
  incarnation: of.hello.incarnation,
});

/** The number after which this process began to write; undefined when it did not say. */
const beganAfter = (of: Incarnation): number | undefined => of.hello.resumedAfter ?? of.found?.highestSeq;

function describeSlot(report: RegionReport, slot: number): string {
  const seq = report.seqs[slot];
  if (seq === 0) return "an empty block";
  if (seq !== undefined && seq > 0)
    return `number ${seq} of ${report.writers[report.writerOf[slot] ?? -1]?.incarnation ?? "?"}`;
  if (report.torn.some((torn) => torn.slot === slot)) return "half a block";
  const foreign = report.foreign.find((block) => block.slot === slot);
  if (foreign) return `a block of VM ${foreign.vm}`;
  return report.misplaced.some((block) => block.slot === slot) ? "a block of another slot" : "no block of ours";
}

/** Per slot the highest acknowledged number and who got it; of two with the same number, the younger process. */
function newestAcks(processes: readonly Incarnation[], slots: number): Map<number, { seq: number; by: Incarnation }> {
  const newest = new Map<number, { seq: number; by: Incarnation }>();
  for (const by of processes) {
    for (const run of by.runs) {
      // Earlier numbers of the run were overwritten by this very run.
      for (let seq = Math.max(run.from, run.to - slots + 1); seq <= run.to; seq++) {
        const slot = slotOf(seq, slots);
        const best = newest.get(slot);
        if (!best || seq > best.seq || (seq === best.seq && by.order > best.by.order)) newest.set(slot, { seq, by });
      }
    }
  }
  return newest;
}

/** What a process found missing when it started, though an older one had the acknowledgement before. */
function lostAtStart(processes: readonly Incarnation[], newer: Incarnation): LostWrite[] {
  const { found } = newer;
  if (!found) return [];
  const readBeganMs = found.readBeganMono + newer.offsetMs;
  const lost: LostWrite[] = [];
  const missing = new Set(found.missing);
  for (const older of processes.filter((of) => of.order < newer.order)) {
    for (const range of rangesBefore(older, readBeganMs - older.offsetMs)) {
      const note = (seq: number, text: string): void =>
        void lost.push({
          vm: older.hello.vm,
          seq,
          slot: slotOf(seq, found.slots),
          ackedBy: older.hello.incarnation,
          found: text,
        });
      for (let seq = Math.max(range.from, found.highestSeq + 1); seq <= range.to; seq++) {
        note(seq, `number ${found.highestSeq} as the highest when ${newer.hello.incarnation} started`);
      }
      for (const seq of missing) {
        if (seq >= range.from && seq <= range.to) note(seq, `a hole when ${newer.hello.incarnation} started`);
      }
    }
  }
  return lost;
}

function findTwoWriters(processes: readonly Incarnation[], report: RegionReport | undefined): TwoWriters[] {
  const evidence: TwoWriters[] = [];
  processes.forEach((older, i) => {
    for (const newer of processes.slice(i + 1)) {
      const began = beganAfter(newer);
      if (began === undefined) continue;
      const pair = { vm: older.hello.vm, older: who(older), newer: who(newer) };
      const newerBeganMs = (newer.found?.readEndedMono ?? newer.hello.startedMono) + newer.offsetMs;
      const times = ackTimesOf(older);
      const late = times.length - firstAbove(times, newerBeganMs + CLOCK_TOLERANCE_MS - older.offsetMs);
      if (late > 0) evidence.push({ ...pair, evidence: "acknowledged after the newer process had begun", count: late });
      if (!report) continue;
      const writer = report.writers.findIndex((of) => of.incarnation === older.hello.incarnation);
      const beyond = report.seqs.filter(
        (seq, slot) => seq > began && report.writerOf[slot] === writer && writer >= 0,
      ).length;
      if (beyond > 0)
        evidence.push({ ...pair, evidence: `on disk above number ${began}, where the newer began`, count: beyond });
    }
  });
  return evidence;
}

/** `regions` is the output of verify, one entry per VM. */
export function compareAcked(
  collector: Pick<Collector, "vms" | "processes">,
  regions: readonly RegionReport[],
): Comparison {
  const lost = new Map<string, LostWrite>();
  const twoWriters: TwoWriters[] = [];
  const notChecked: string[] = [];
  let checkedSlots = 0;
  for (const vm of collector.vms()) {
    const processes = [...collector.processes(vm)].sort((a, b) => a.order - b.order);
    const report = regions.find((region) => region.vm === vm);
    const note = (write: LostWrite): void => void lost.set(`${vm}/${write.seq}/${write.ackedBy}`, write);
    for (const newer of processes) lostAtStart(processes, newer).forEach(note);
    twoWriters.push(...findTwoWriters(processes, report));
    if (!report) {
      if (processes.some((of) => of.ackCount > 0)) notChecked.push(vm);
      continue;
    }
    for (const [slot, { seq, by }] of newestAcks(processes, report.slots)) {
      checkedSlots++;
      const onDisk = report.seqs[slot] ?? 0;
      const writer = report.writers[report.writerOf[slot] ?? -1]?.incarnation;
      if (onDisk > seq || (onDisk === seq && writer === by.hello.incarnation)) continue;
      note({ vm, seq, slot, ackedBy: by.hello.incarnation, found: describeSlot(report, slot) });
    }
  }
  const damagedSlots = regions.reduce(
    (sum, region) => sum + region.torn.length + region.foreign.length + region.misplaced.length + region.garbage.length,
    0,
  );
  return { ackedWritesLost: lost.size, lost: [...lost.values()], twoWriters, damagedSlots, notChecked, checkedSlots };
}
