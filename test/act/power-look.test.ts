import assert from "node:assert/strict";
import { test } from "node:test";
import { createPowerLook } from "../../src/act/power-look.ts";

test("one question at a time; an answer counts for two seconds from when it was asked, and until the next one", async () => {
  let now = 0;
  let asked = 0;
  let answer = (_off: boolean): void => undefined;
  const look = createPowerLook(
    {
      readsOff() {
        asked += 1;
        const { promise, resolve } = Promise.withResolvers<boolean>();
        answer = resolve;
        return promise;
      },
    },
    () => now,
  );
  const settled = async (off: boolean): Promise<void> => {
    answer(off);
    await new Promise((resolve) => setImmediate(resolve));
  };
  assert.equal(look.isOff("peer"), false);
  assert.equal(look.isOff("peer"), false);
  assert.equal(asked, 1);
  now = 800;
  await settled(true);
  assert.equal(look.isOff("peer"), true);
  assert.equal(asked, 2);
  now = 2_100;
  assert.equal(look.isOff("peer"), false, "an old answer says nothing");
  await settled(true);
  assert.equal(look.isOff("peer"), true);
  await settled(false);
  assert.equal(look.isOff("peer"), false);
});
