// Reads the region of one VM and says what every slot holds.
// Must never write: what was found is evidence.
import { BLOCK_BYTES, expectedSeq, parseBlock, type BlockState } from "./block.ts";
import type { Device } from "./device.ts";

export interface Region {
  readonly vm: string;
  readonly startBytes: number;
  readonly bytes: number;
}

export interface RegionWriter {
  readonly incarnation: string;
  readonly lineage: string;
  readonly node: string;
  readonly generation: number;
}

/** Per slot: the number (0 = never written, -1 = unusable) and the index of its writer in `writers` (-1 = none). */
export interface RegionReport {
  readonly vm: string;
  readonly slots: number;
  readonly highestSeq: number;
  readonly empty: number;
  readonly seqs: readonly number[];
  readonly writerOf: readonly number[];
  readonly writers: readonly RegionWriter[];
  readonly torn: readonly { readonly slot: number; readonly headSeq: number; readonly tailSeq: number }[];
  readonly foreign: readonly { readonly slot: number; readonly vm: string; readonly seq: number }[];
  readonly misplaced: readonly { readonly slot: number; readonly writtenFor: number; readonly seq: number }[];
  readonly garbage: readonly number[];
}

export interface RegionScan {
  note(slot: number, state: BlockState): void;
  report(): RegionReport;
}

export const slotsOf = (region: Region): number => Math.floor(region.bytes / BLOCK_BYTES);

export function startScan(region: Region): RegionScan {
  const slots = slotsOf(region);
  const seqs = Array.from({ length: slots }, () => 0);
  const writerOf = Array.from({ length: slots }, () => -1);
  const writers: RegionWriter[] = [];
  const torn: RegionReport["torn"][number][] = [];
  const foreign: RegionReport["foreign"][number][] = [];
  const misplaced: RegionReport["misplaced"][number][] = [];
  const garbage: number[] = [];
  let empty = 0;
  let highestSeq = 0;
  return {
    note(slot, state) {
      if (state.kind === "empty") {
        empty++;
        return;
      }
      seqs[slot] = -1;
      switch (state.kind) {
        case "good": {
          const { incarnation, lineage, node, generation, seq } = state.header;
          let index = writers.findIndex((writer) => writer.incarnation === incarnation);
          if (index < 0) index = writers.push({ incarnation, lineage, node, generation }) - 1;
          writerOf[slot] = index;
          seqs[slot] = seq;
          highestSeq = Math.max(highestSeq, seq);
          return;
        }
        case "torn":
          torn.push({ slot, headSeq: state.headSeq, tailSeq: state.tailSeq });
          return;
        case "foreign":
          foreign.push({ slot, vm: state.header.vm, seq: state.header.seq });
          return;
        case "misplaced":
          misplaced.push({ slot, writtenFor: state.header.slot, seq: state.header.seq });
          return;
        case "garbage":
          garbage.push(slot);
          return;
      }
    },
    report: () => ({
      vm: region.vm,
      slots,
      highestSeq,
      empty,
      seqs,
      writerOf,
      writers,
      torn,
      foreign,
      misplaced,
      garbage,
    }),
  };
}

/** Reads the region in pieces of the device's buffer; fails with the device's own sentence. */
export async function readRegion(device: Device, region: Region): Promise<RegionReport> {
  const scan = startScan(region);
  const slots = slotsOf(region);
  const perRead = Math.floor(device.readBuffer.length / BLOCK_BYTES);
  for (let slot = 0; slot < slots; slot += perRead) {
    const count = Math.min(perRead, slots - slot);
    await device.read(region.startBytes + slot * BLOCK_BYTES, count * BLOCK_BYTES);
    for (let i = 0; i < count; i++) {
      const block = device.readBuffer.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
      scan.note(slot + i, parseBlock(block, region.vm, slot + i));
    }
  }
  return scan.report();
}

/** Numbers at or below the highest one that are not where they belong: holes a sequential writer cannot have left. */
export function missingSeqs(report: RegionReport): readonly number[] {
  const missing: number[] = [];
  report.seqs.forEach((seq, slot) => {
    const expected = expectedSeq(slot, report.highestSeq, report.slots);
    if (seq < expected) missing.push(expected);
  });
  return missing;
}
