// Which watchdog a device path is, where the kernel has more than one. The device is /dev/null by another name; what the
// kernel says of it stands in a folder of the test's own.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openDevice } from "../../../src/drivers/watchdog/device.ts";

interface Driver {
  readonly identity: string;
  readonly timeout: string;
}

function kernelWith(context: TestContext, drivers: readonly Driver[]) {
  const folder = mkdtempSync(join(tmpdir(), "tandem-device-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const sys = join(folder, "sys");
  for (const [index, { identity, timeout }] of drivers.entries()) {
    const own = join(sys, `class/watchdog/watchdog${index}`);
    mkdirSync(own, { recursive: true });
    for (const [name, text] of Object.entries({ identity, timeout, nowayout: "0" }))
      writeFileSync(join(own, name), `${text}\n`);
  }
  const device = (name: string): string => {
    const path = join(folder, name);
    symlinkSync("/dev/null", path);
    return path;
  };
  return { sys, device };
}

const firmware: Driver = { identity: "wdat_wdt", timeout: "30" };
const xen: Driver = { identity: "xen_wdt", timeout: "20" };

test("of two watchdogs the one that is named is looked at", (context) => {
  const { sys, device } = kernelWith(context, [firmware, xen]);
  const opened = openDevice(device("watchdog1"), 20_000, sys);
  assert.ok(opened.ok, opened.ok ? "" : opened.error);
  assert.equal(opened.value.disarm(), null);
  assert.equal(openDevice(device("watchdog0"), 20_000, sys).ok, false);
});

test("a watchdog of another driver in the first place is named, with what to do", (context) => {
  const { sys, device } = kernelWith(context, [firmware]);
  const opened = openDevice(device("watchdog"), 20_000, sys);
  assert.match(
    opened.ok ? "" : opened.error,
    /found 30 in .*watchdog0\/timeout, expected 20; it is wdat_wdt: .*WATCHDOG_DEVICE/,
  );
});

test("Xen's own with another timeout is not called somebody else's", (context) => {
  const { sys, device } = kernelWith(context, [{ ...xen, timeout: "60" }]);
  const opened = openDevice(device("watchdog"), 20_000, sys);
  assert.match(opened.ok ? "" : opened.error, /expected 20$/);
});
