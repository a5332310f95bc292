import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { effectiveConfig } from "../../src/config/effective.ts";
import { parseLocalFile } from "../../src/config/local-file.ts";
import { parametersOf } from "../../src/config/parameters.ts";
import { describeProblem } from "../../src/config/problem.ts";

const text = readFileSync(new URL("../../conf/tandem.yaml", import.meta.url), "utf8");
const inventory = { hostId: "22222222-2222-4222-8222-222222222222", managementInterface: "xenbr0" };

function load(content: string): ReturnType<typeof effectiveConfig> {
  const parsed = parseLocalFile(content, inventory);
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.error.map(describeProblem).join("\n"));
  return effectiveConfig({ local: parsed.value, pool: {}, lastGood: null, secrets: {}, keyId: "" });
}

test("the example configuration is valid as it is shipped", () => {
  const { config } = load(text);
  assert.equal(config.self.name, "xcp2");
  assert.deepEqual(config.problems, []);
  assert.equal(config.storage?.target.luns[0]?.scsiId, "0000000000");
});

test("every commented-out line is valid too, and shows the default", () => {
  const opened = text.replaceAll(/^( *)# ([A-Z_]+: )/gm, "$1$2");
  assert.notEqual(opened, text);
  const { config } = load(opened);
  assert.equal(config.peerPort, 7694);
  assert.equal(config.watchdogDevice, "/dev/watchdog");
  assert.deepEqual(config.problems, []);
});

test("every storage parameter is shown in the example", () => {
  const missing = parametersOf("storage").filter((one) => !new RegExp(`^ *(# )?${one.name}: `, "m").test(text));
  assert.deepEqual(
    missing.map((one) => one.name),
    [],
  );
});

test("the example fits 80 columns", () => {
  assert.deepEqual(
    text.split("\n").filter((line) => line.length > 80),
    [],
  );
});
