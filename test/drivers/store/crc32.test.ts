import assert from "node:assert/strict";
import { test } from "node:test";
import * as zlib from "node:zlib";
import { crc32 } from "../../../src/drivers/store/crc32.ts";

test("the sum is that of zlib, of plain texts, long ones and such in UTF-8", () => {
  // The check value of the catalogue of CRC algorithms (CRC-32/ISO-HDLC).
  assert.equal(crc32("123456789"), 0xcbf43926);
  for (const text of ["", "\0", '{"format":"tandem-state"}', "Grüße 東京 🖧", "x".repeat(100_000)])
    assert.equal(crc32(text), zlib.crc32(text), text.slice(0, 30));
});
