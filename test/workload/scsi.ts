// The few SCSI commands a disk of a VM needs, and what their status means.
// Must never know how a command travels: session.ts carries it.

export type Direction = "none" | "read" | "write";

export interface ScsiRequest {
  /** 16 bytes, zero padded. */
  readonly cdb: Buffer;
  readonly direction: Direction;
  /** What is written, or where the answer goes; empty for "none". */
  readonly data: Buffer;
}

export type ScsiOutcome =
  | { readonly kind: "good"; readonly bytes: number }
  | { readonly kind: "check-condition"; readonly key: number; readonly asc: number; readonly ascq: number }
  | { readonly kind: "status"; readonly status: number };

export interface Capacity {
  readonly blocks: number;
  readonly blockBytes: number;
}

export const scsiStatus = { good: 0, checkCondition: 2, busy: 8, taskSetFull: 0x28, taskAborted: 0x40 } as const;
const UNIT_ATTENTION = 6;

/** READ or WRITE: the 10-byte form where it reaches, the 16-byte form beyond 2 TiB or 65535 blocks. */
export function putTransferCdb(cdb: Buffer, direction: "read" | "write", lba: number, blocks: number): void {
  cdb.fill(0);
  if (lba <= 0xffffffff && blocks <= 0xffff) {
    cdb[0] = direction === "read" ? 0x28 : 0x2a;
    cdb.writeUInt32BE(lba, 2);
    cdb.writeUInt16BE(blocks, 7);
    return;
  }
  cdb[0] = direction === "read" ? 0x88 : 0x8a;
  cdb.writeBigUInt64BE(BigInt(lba), 2);
  cdb.writeUInt32BE(blocks, 10);
}

export const testUnitReady = (): ScsiRequest => ({ cdb: Buffer.alloc(16), direction: "none", data: Buffer.alloc(0) });

export function inquiry(): ScsiRequest {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x12;
  cdb[4] = 96;
  return { cdb, direction: "read", data: Buffer.alloc(96) };
}

export function readCapacity16(): ScsiRequest {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x9e;
  cdb[1] = 0x10;
  cdb[13] = 32;
  return { cdb, direction: "read", data: Buffer.alloc(32) };
}

export function parseCapacity16(data: Buffer): Capacity {
  return { blocks: Number(data.readBigUInt64BE(0)) + 1, blockBytes: data.readUInt32BE(8) };
}

export function parseInquiry(data: Buffer): { readonly vendor: string; readonly product: string } {
  return { vendor: data.toString("latin1", 8, 16).trim(), product: data.toString("latin1", 16, 32).trim() };
}

/** Status byte and sense bytes (fixed 0x70/0x71 or descriptor 0x72/0x73 format, SPC-4 §4.5) to an outcome. */
export function parseStatus(status: number, sense: Buffer, bytes: number): ScsiOutcome {
  if (status === scsiStatus.good) return { kind: "good", bytes };
  if (status !== scsiStatus.checkCondition) return { kind: "status", status };
  const isDescriptor = ((sense[0] ?? 0) & 0x7f) >= 0x72;
  const [key = 0, asc = 0, ascq = 0] = isDescriptor ? [sense[1], sense[2], sense[3]] : [sense[2], sense[12], sense[13]];
  return { kind: "check-condition", key: key & 0x0f, asc, ascq };
}

/** Answers that mean "ask again", as every initiator treats them: the command had no effect. */
export function isRetryable(outcome: ScsiOutcome): boolean {
  if (outcome.kind === "check-condition") return outcome.key === UNIT_ATTENTION;
  if (outcome.kind === "good") return false;
  const { busy, taskSetFull, taskAborted } = scsiStatus;
  return outcome.status === busy || outcome.status === taskSetFull || outcome.status === taskAborted;
}

export function describeOutcome(outcome: ScsiOutcome): string {
  const hex = (value: number): string => `0x${value.toString(16)}`;
  if (outcome.kind === "good") return "GOOD";
  if (outcome.kind === "status") return `SCSI status ${hex(outcome.status)}`;
  return `CHECK CONDITION key ${hex(outcome.key)} asc ${hex(outcome.asc)} ascq ${hex(outcome.ascq)}`;
}
