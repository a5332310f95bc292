import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const unit = readFileSync(fileURLToPath(new URL("../../../systemd/tandemd.service", import.meta.url)), "utf8");
const value = (key: string): string => new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1] ?? "";

test("systemd understands every line of the unit", (context) => {
  if (spawnSync("systemd-analyze", ["--version"]).error !== undefined) return context.skip("no systemd-analyze here");
  const folder = mkdtempSync(join(tmpdir(), "tandem-unit-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const verify = (text: string): string => {
    const path = join(folder, "tandemd.service");
    writeFileSync(path, text.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true"));
    // It exits with 0 whatever it finds: its words count. Missing units of a dom0 are not the question.
    const { stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], { encoding: "utf8" });
    return stderr
      .split("\n")
      .filter((line) => line.includes("tandemd.service"))
      .join("\n");
  };
  assert.equal(verify(unit), "");
  assert.match(verify(unit.replace("WatchdogSec=", "WatchdogSecs=")), /WatchdogSecs/, "the check can fail");
});

test("a stop or crash of the daemon leaves the target and the watchdog's holder alone", () => {
  assert.equal(value("KillMode"), "process");
  assert.equal(value("Restart"), "always");
});

test("systemd does not remove the folder of the holder's socket when the daemon stops", () => {
  assert.doesNotMatch(unit, /^RuntimeDirectory=/m);
});

test("a restart leaves most of W/2 to the program, also in the fastest profile", () => {
  const fastestW = 3000;
  assert.match(value("RestartSec"), /^\d+ms$/);
  assert.ok(parseInt(value("RestartSec"), 10) <= fastestW / 2 / 4);
});

test("only names that systemd 219 knows are used", () => {
  const newer = [
    "StartLimitIntervalSec",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectControlGroups",
    "RestrictNamespaces",
    "MemoryDenyWriteExecute",
    "StateDirectory",
    "AmbientCapabilities",
  ];
  for (const name of newer) assert.doesNotMatch(unit, new RegExp(`^${name}=`, "m"));
  assert.doesNotMatch(unit, /^ProtectSystem=strict/m);
});
