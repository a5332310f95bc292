// The numbered, checksummed 4 KiB block a measuring VM writes, and what a block found on disk is.
// Must never do I/O.
//
// Layout: 0 magic · 8 VM · 24 incarnation · 32 lineage · 40 generation · 44 slot · 48 wall ms · 56 node (16 bytes)
// · every sector s ≥ 1 starts with the sequence number · 72 and 4088 the sequence number (both ends) · 4080 CRC-32 of all
// other bytes. The number in each sector makes any mix of two blocks visible, the CRC everything else.
import { crc32 } from "node:zlib";

export const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;
const MAGIC = Buffer.from("TNDMBLK1", "latin1");
const NODE_BYTES = 16;
const at = {
  vm: 8,
  incarnation: 24,
  lineage: 32,
  generation: 40,
  slot: 44,
  wall: 48,
  node: 56,
  head: 72,
  crc: 4080,
  tail: 4088,
} as const;

/** Who writes: constant for the life of a process. Incarnation and lineage are 16 hex digits. */
export interface Writer {
  readonly vm: string;
  readonly node: string;
  /** Random per process. */
  readonly incarnation: string;
  /** Random per start of the VM; kept over a live migration, whose steps count up `generation`. */
  readonly lineage: string;
  readonly generation: number;
}

export interface BlockHeader extends Writer {
  readonly seq: number;
  readonly slot: number;
  readonly wallMs: number;
}

export type BlockState =
  | { readonly kind: "empty" }
  | { readonly kind: "good"; readonly header: BlockHeader }
  /** Whole, but of another VM. */
  | { readonly kind: "foreign"; readonly header: BlockHeader }
  /** Whole and ours, but written for another slot. */
  | { readonly kind: "misplaced"; readonly header: BlockHeader }
  /** Starts as one of ours and is not whole. */
  | { readonly kind: "torn"; readonly headSeq: number; readonly tailSeq: number }
  | { readonly kind: "garbage" };

/** Sequence numbers start at 1 and cycle through the slots. */
export const slotOf = (seq: number, slots: number): number => (seq - 1) % slots;

/** The highest number up to `highestSeq` whose place is `slot`; 0 when none is. */
export function expectedSeq(slot: number, highestSeq: number, slots: number): number {
  const first = slot + 1;
  return highestSeq < first ? 0 : first + Math.floor((highestSeq - first) / slots) * slots;
}

const uuidBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll("-", ""), "hex");
const uuidText = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

function putSeq(block: Buffer, offset: number, seq: number): void {
  block.writeUInt32BE(Math.floor(seq / 0x1_0000_0000), offset);
  block.writeUInt32BE(seq >>> 0, offset + 4);
}

const getSeq = (block: Buffer, offset: number): number =>
  block.readUInt32BE(offset) * 0x1_0000_0000 + block.readUInt32BE(offset + 4);

/** CRC of all but the four CRC bytes. */
const checksum = (block: Buffer): number => crc32(block.subarray(at.crc + 4), crc32(block.subarray(0, at.crc)));

/** Fills what never changes; the payload differs per incarnation so that no two writers' sectors are alike. */
export function prepareBlock(block: Buffer, writer: Writer): void {
  let state = crc32(writer.incarnation) | 1;
  for (let i = 0; i < BLOCK_BYTES; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    block.writeInt32BE(state, i);
  }
  MAGIC.copy(block, 0);
  uuidBytes(writer.vm).copy(block, at.vm);
  Buffer.from(writer.incarnation, "hex").copy(block, at.incarnation);
  Buffer.from(writer.lineage, "hex").copy(block, at.lineage);
  block.writeUInt32BE(writer.generation, at.generation);
  block.fill(0, at.node, at.node + NODE_BYTES);
  block.write(writer.node.slice(0, NODE_BYTES), at.node, "latin1");
}

/** Makes the prepared block number `seq`. */
export function stampBlock(block: Buffer, seq: number, slot: number, wallMs: number): void {
  block.writeUInt32BE(slot, at.slot);
  block.writeDoubleBE(wallMs, at.wall);
  putSeq(block, at.head, seq);
  for (let sector = SECTOR_BYTES; sector < BLOCK_BYTES; sector += SECTOR_BYTES) putSeq(block, sector, seq);
  putSeq(block, at.tail, seq);
  block.writeUInt32BE(checksum(block) >>> 0, at.crc);
}

/** What lies in the place of `slot` in the region of `vm`. */
export function parseBlock(block: Buffer, vm: string, slot: number): BlockState {
  if (!block.subarray(0, MAGIC.length).equals(MAGIC)) {
    return block.every((byte) => byte === 0) ? { kind: "empty" } : { kind: "garbage" };
  }
  const headSeq = getSeq(block, at.head);
  const tailSeq = getSeq(block, at.tail);
  if (headSeq !== tailSeq || checksum(block) >>> 0 !== block.readUInt32BE(at.crc))
    return { kind: "torn", headSeq, tailSeq };
  const header: BlockHeader = {
    vm: uuidText(block.toString("hex", at.vm, at.vm + 16)),
    node: block.toString("latin1", at.node, at.node + NODE_BYTES).replace(/\0+$/, ""),
    incarnation: block.toString("hex", at.incarnation, at.incarnation + 8),
    lineage: block.toString("hex", at.lineage, at.lineage + 8),
    generation: block.readUInt32BE(at.generation),
    seq: headSeq,
    slot: block.readUInt32BE(at.slot),
    wallMs: block.readDoubleBE(at.wall),
  };
  if (header.vm !== vm) return { kind: "foreign", header };
  return header.slot === slot ? { kind: "good", header } : { kind: "misplaced", header };
}
