// Words, sizes and times as people see them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clean, clip, duration, fit, size, wrap } from "../../src/cli/text.ts";

describe("text", () => {
  test("clean leaves nothing that moves a cursor or turns the writing round", () => {
    assert.equal(clean("a\u001b[2J\r\n\t\u009b\u202eb\u2028ü"), "a?[2J????" + "?b?ü");
  });

  test("clip and fit count characters", () => {
    assert.deepEqual([clip("abcdef", 5), clip("abc", 5), clip("abcdef", 2), clip("ab", 0)], ["abc..", "abc", "ab", ""]);
    assert.deepEqual([fit("üü", 4), fit("abcdef", 4)], ["üü  ", "ab.."]);
  });

  test("wrap breaks at spaces, keeps line breaks and indents, cuts what is too long, loses nothing", () => {
    assert.deepEqual(wrap("one two three", 8), ["one two", "three"]);
    assert.deepEqual(wrap("  one two three\n\nx", 9, "- "), ["  one two", "  - three", "", "x"]);
    for (const width of [5, 8, 20]) {
      const lines = wrap("alpha beta gammagammagamma delta", width);
      assert.deepEqual(
        lines.filter((line) => line.length > width),
        [],
      );
      assert.equal(lines.join("").replaceAll(" ", ""), "alphabetagammagammagammadelta");
    }
    assert.deepEqual(wrap("", 8), [""]);
  });

  test("durations and sizes", () => {
    assert.deepEqual([0, 300, 9_940, 9_960, 99_400, 99_600, 190_000, 7_500_000, 3 * 86_400_000].map(duration), [
      "0.0 s",
      "0.3 s",
      "9.9 s",
      "10 s",
      "99 s",
      "1m40s",
      "3m10s",
      "2h05m",
      "3d00h",
    ]);
    assert.equal(duration(-5), "0.0 s");
    assert.deepEqual([0, 512, 1536, 12_700_000, 200 * 1024].map(size), [
      "0 KiB",
      "512 KiB",
      "1.5 MiB",
      "12.1 GiB",
      "200 MiB",
    ]);
  });
});
