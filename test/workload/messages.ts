// What a measuring VM tells the collector: JSON lines over TCP, one way.
// Must never carry anything the collector has to answer: a VM never waits for it.
//
// `mono` is the guest's monotonic clock in ms, `wall` its wall clock in ms since 1970, both taken at sending.

export interface Hello {
  readonly k: "hello";
  readonly vm: string;
  readonly name: string;
  readonly node: string;
  readonly incarnation: string;
  readonly lineage: string;
  readonly generation: number;
  readonly pid: number;
  readonly storage: "iscsi" | "device";
  /** Of the start of execution. */
  readonly startedMono: number;
  readonly startedWall: number;
  /** Sequence number a migrated VM goes on after; absent for a VM that starts and reads its disk first. */
  readonly resumedAfter?: number;
}

export type Body =
  | Hello
  /** What the disk held when the VM started. `missing`: numbers at or below the highest that were not in their place. */
  | {
      readonly k: "found";
      readonly highestSeq: number;
      readonly slots: number;
      readonly missing: readonly number[];
      readonly torn: number;
      readonly foreign: number;
      readonly misplaced: number;
      readonly garbage: number;
      readonly readBeganMono: number;
      readonly readEndedMono: number;
    }
  /** Numbers `from`, `from+1`, … acknowledged; the first at `at` (mono), the others so many µs after the one before. */
  | { readonly k: "acks"; readonly from: number; readonly at: number; readonly d: readonly number[] }
  /** Acknowledged too, their single times lost to the bounded buffer. */
  | {
      readonly k: "ack-range";
      readonly from: number;
      readonly to: number;
      readonly firstAt: number;
      readonly lastAt: number;
    }
  /** Executing. `stalledMs`: since the last acknowledgement, when above the stall limit. */
  | { readonly k: "alive"; readonly stalledMs?: number }
  | { readonly k: "stall"; readonly beginMono: number; readonly endMono: number; readonly seq: number }
  | { readonly k: "error"; readonly what: string; readonly times: number }
  | { readonly k: "event"; readonly what: string; readonly detail: string }
  | { readonly k: "bye"; readonly reason: "migrated" | "stopped"; readonly lastSeq: number; readonly dropped: number };

/** `i` is the incarnation: a line stands alone, whichever connection brings it. */
export type Message = Body & { readonly i: string; readonly mono: number; readonly wall: number };

export const ALIVE_EVERY_MS = 50;
export const BATCH_EVERY_MS = 8;
export const STALL_LIMIT_MS = 100;
