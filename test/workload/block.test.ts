import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_BYTES, expectedSeq, parseBlock, prepareBlock, slotOf, stampBlock, type Writer } from "./block.ts";

const writer: Writer = {
  vm: "aaaaaaaa-0000-4000-8000-000000000001",
  node: "xcp1",
  incarnation: "0123456789abcdef",
  lineage: "fedcba9876543210",
  generation: 3,
};

function blockOf(seq: number, slot: number, by: Writer = writer): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  prepareBlock(block, by);
  stampBlock(block, seq, slot, 1_700_000_000_123.5);
  return block;
}

test("a stamped block reads back as what was written", () => {
  const seq = 2 ** 40 + 7;
  const state = parseBlock(blockOf(seq, 6), writer.vm, 6);
  assert.deepEqual(state, { kind: "good", header: { ...writer, seq, slot: 6, wallMs: 1_700_000_000_123.5 } });
});

test("stamping again leaves nothing of the former number", () => {
  const block = blockOf(5, 4);
  stampBlock(block, 1029, 4, 1);
  const state = parseBlock(block, writer.vm, 4);
  assert.equal(state.kind === "good" ? state.header.seq : state.kind, 1029);
});

test("any mix of the sectors of two blocks is torn", () => {
  const old = blockOf(5, 4);
  const young = blockOf(1029, 4);
  for (let mix = 1; mix < 255; mix++) {
    const block = Buffer.from(old);
    for (let sector = 0; sector < 8; sector++) {
      if ((mix >> sector) & 1) young.copy(block, sector * 512, sector * 512, sector * 512 + 512);
    }
    assert.equal(parseBlock(block, writer.vm, 4).kind, "torn", `sectors ${mix.toString(2)}`);
  }
});

test("one flipped bit anywhere is never good", () => {
  for (let byte = 0; byte < BLOCK_BYTES; byte += 13) {
    const block = blockOf(9, 8);
    block[byte] = (block[byte] ?? 0) ^ 0x10;
    assert.notEqual(parseBlock(block, writer.vm, 8).kind, "good", `byte ${byte}`);
  }
});

test("empty, foreign, misplaced and meaningless blocks are told apart", () => {
  assert.equal(parseBlock(Buffer.alloc(BLOCK_BYTES), writer.vm, 0).kind, "empty");
  assert.equal(parseBlock(Buffer.alloc(BLOCK_BYTES, 7), writer.vm, 0).kind, "garbage");
  assert.equal(
    parseBlock(blockOf(1, 0, { ...writer, vm: writer.vm.replace(/1$/, "2") }), writer.vm, 0).kind,
    "foreign",
  );
  assert.equal(parseBlock(blockOf(1, 0), writer.vm, 1).kind, "misplaced");
});

test("the expected number of a slot is the last one that went there", () => {
  for (const highest of [0, 1, 4, 5, 9, 23]) {
    const last = new Map<number, number>();
    for (let seq = 1; seq <= highest; seq++) last.set(slotOf(seq, 5), seq);
    for (let slot = 0; slot < 5; slot++) assert.equal(expectedSeq(slot, highest, 5), last.get(slot) ?? 0);
  }
});
