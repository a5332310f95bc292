// The scripts themselves, by a real shell in a directory that is laid out like the kernel's tree. It has no rules of its own:
// what a script leaves there is looked at, what the kernel makes of it is seen in the lab.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { parseState, type ShownLio } from "../../../../src/drivers/iscsi-target/lio/parse-state.ts";
import { FILL, LOOK, WARM, WITHDRAW } from "../../../../src/drivers/iscsi-target/lio/scripts.ts";

const iqn = "iqn.2026-11.test:iscsi1";
const earlier = "iqn.2026-11.test:before";
const loopback = "127.0.0.1:13260";
const tpg = `iscsi/${iqn}/tpgt_1`;
const store = "core/fileio_7694/tandem.10.iscsi1";
const link = `${tpg}/lun/lun_10/tandem.10.iscsi1`;
const lun = ["10", "tandem.10.iscsi1", "/dev/null", "0000000011"];
/** What the kernel puts into a new target. */
const newTarget = `#!/bin/sh
/bin/mkdir "$@"
for dir in "$@"; do
  case $dir in */tpgt_1) /bin/mkdir "$dir/attrib" "$dir/param"; : > "$dir/dynamic_sessions";; esac
done
`;
/** As configfs removes: not what somebody made a directory or a link in. */
const asConfigfs = `#!/bin/sh
for dir in "$@"; do
  ! find "$dir" -mindepth 1 '(' -type l -o -name 'tpgt_*' -o -name 'lun_*' -o -path '*/np/*' -o -path '*/acls/*' ')' | grep -q . || exit 1
  rm -r "$dir"
done
`;
const TITLE = "T10 VPD Unit Serial Number: ";

describe("the scripts for the kernel's target", () => {
  let dir: string;
  let root: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "tandem-lio-"));
    root = join(dir, "target");
    // In configfs the files of a directory go with it.
    write(join("..", "bin", "rmdir"), '#!/bin/sh\nexec rm -r "$@"\n');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  function write(path: string, text: string): void {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: 0o755 });
  }
  const read = (path: string): string => readFileSync(join(root, path), "utf8").trim();

  function run(script: string, ...args: readonly string[]): ShownLio {
    const env = { PATH: `${join(dir, "bin")}:${process.env["PATH"] ?? ""}` };
    const options = { encoding: "utf8" as const, env, timeout: 60_000, stdio: "pipe" as const };
    const shown = parseState(execFileSync("sh", ["-c", script, "tandem", root, iqn, ...args], options));
    assert.ok(shown.ok);
    return shown.value;
  }

  function makeTarget(name: string): void {
    write(`iscsi/${name}/tpgt_1/enable`, "1\n");
    write(`iscsi/${name}/tpgt_1/dynamic_sessions`, "");
    mkdirSync(join(root, `iscsi/${name}/tpgt_1/np/${loopback}`), { recursive: true });
  }

  function makeStore(enabled: "0" | "1", serial: string): void {
    write(`${store}/enable`, `${enabled}\n`);
    write(`${store}/udev_path`, "/dev/null\n");
    write(`${store}/attrib/emulate_write_cache`, "1\n");
    write(`${store}/wwn/vpd_unit_serial`, `${TITLE}${serial}\n`);
  }

  function linkUnder(name: string): void {
    const at = join(root, `iscsi/${name}/tpgt_1/lun/lun_10/tandem.10.iscsi1`);
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(join(root, store), at);
  }

  it("show the serial number of a store, and that it has none", () => {
    makeStore("1", "0000000011");
    const has = { name: "tandem.10.iscsi1", resource: "iscsi1", enabled: true, device: "/dev/null" };
    assert.deepEqual(run(LOOK).stores, [{ ...has, serial: "0000000011" }]);
    makeStore("1", "");
    assert.deepEqual(run(LOOK).stores, [{ ...has, serial: "" }]);
  });

  for (const enabled of ["0", "1"] as const) {
    it(`fill a store that was left with enable ${enabled} and no serial: cache off and serial before the link`, () => {
      makeTarget(iqn);
      makeStore(enabled, "");
      const filled = run(FILL, ...lun);
      assert.equal(read(`${store}/enable`), "1");
      assert.equal(read(`${store}/attrib/emulate_write_cache`), "0");
      assert.deepEqual(
        filled.stores.map((one) => one.serial),
        ["0000000011"],
      );
      assert.ok(lstatSync(join(root, link)).isSymbolicLink());
    });
  }

  it("do not enable a store whose device is not there: the kernel would create a file of that name", () => {
    makeTarget(iqn);
    makeStore("0", "");
    assert.throws(() => run(FILL, "10", "tandem.10.iscsi1", join(root, "nothing"), "0000000011"), /there is no device/);
    assert.equal(read(`${store}/enable`), "0");
  });

  it("do not link a store whose serial the kernel does not take", () => {
    makeTarget(iqn);
    makeStore("1", "");
    rmSync(join(root, store, "wwn/vpd_unit_serial"));
    mkdirSync(join(root, store, "wwn/vpd_unit_serial"));
    assert.throws(() => run(FILL, ...lun));
    assert.equal(existsSync(join(root, link)), false);
  });

  it("write nothing to a store that is linked", () => {
    makeTarget(iqn);
    makeStore("1", "other");
    linkUnder(iqn);
    run(FILL, ...lun);
    assert.equal(read(`${store}/wwn/vpd_unit_serial`), `${TITLE}other`);
  });

  it("withdraw a store without a link, and the target of an earlier IQN", () => {
    makeTarget(iqn);
    makeTarget(earlier);
    makeStore("1", "");
    linkUnder(earlier);
    const foreign = "iscsi/iqn.2026-11.test:foreign/tpgt_1";
    write(`${foreign}/enable`, "1\n");
    const left = run(WITHDRAW, loopback);
    assert.deepEqual([left.enabled, left.stores], [null, []]);
    assert.equal(existsSync(join(root, "iscsi", earlier)), false);
    assert.equal(read(`${foreign}/enable`), "1", "what is not ours stays");
  });

  it("take the target of an earlier IQN apart before this one is warm, once", () => {
    makeTarget(iqn);
    makeTarget(earlier);
    makeStore("1", "");
    linkUnder(earlier);
    for (const _ of [1, 2]) {
      assert.equal(run(WARM, loopback).enabled, true);
      assert.equal(existsSync(join(root, "iscsi", earlier)), false);
    }
    assert.deepEqual(run(FILL, ...lun).luns, [{ lun: 10, store: "tandem.10.iscsi1" }]);
  });

  for (const [left, enable, portal] of [
    ["is disabled, as a withdrawal that was ended half-way leaves it", "0", loopback],
    ["has no loopback portal, so somebody else made it", "1", "0.0.0.0:3260"],
  ] as const) {
    it(`start a target that ${left}, without its LUNs, portals and entries`, () => {
      makeTarget(iqn);
      makeStore("1", "0000000011");
      linkUnder(iqn);
      write(`${tpg}/enable`, `${enable}\n`);
      rmSync(join(root, `${tpg}/np/${loopback}`), { recursive: true });
      for (const one of [portal, "10.10.10.3:3260"]) mkdirSync(join(root, `${tpg}/np/${one}`));
      write("../bin/mkdir", newTarget);
      const warm = run(WARM, loopback, "10", "tandem.10.iscsi1");
      assert.deepEqual([warm.enabled, warm.luns, warm.portals], [true, [], [loopback]]);
      assert.deepEqual(run(FILL, ...lun).luns, [{ lun: 10, store: "tandem.10.iscsi1" }]);
    });
  }

  it("withdraw entries that targetcli gave LUNs of their own, and a second group of portals", () => {
    makeTarget(iqn);
    makeStore("1", "");
    linkUnder(iqn);
    const mapped = join(root, `${tpg}/acls/iqn.x:host/lun_10/4f1c`);
    mkdirSync(dirname(mapped), { recursive: true });
    symlinkSync(join(root, `${tpg}/lun/lun_10`), mapped);
    write(`iscsi/${iqn}/tpgt_2/enable`, "1\n");
    mkdirSync(join(root, `iscsi/${iqn}/tpgt_2/lun/lun_0`), { recursive: true });
    symlinkSync(join(root, store), join(root, `iscsi/${iqn}/tpgt_2/lun/lun_0/77`));
    write("../bin/rmdir", asConfigfs);
    const left = run(WITHDRAW, loopback);
    assert.deepEqual([left.enabled, left.stores], [null, []]);
    assert.equal(existsSync(join(root, "iscsi", iqn)), false);
  });

  for (const by of ["systemctl start sys-kernel-config.mount", `mount -t configfs`] as const) {
    it(`mount the kernel's tree by ${by}`, () => {
      const [file = ""] = by.split(" ");
      for (const tool of ["modprobe", "systemctl", "mount"]) {
        const does =
          tool === file ? `/bin/mkdir -p "${root}"; echo "$0 $*" >> "${dir}/mounts"` : `[ ${tool} = modprobe ]`;
        write(`../bin/${tool}`, `#!/bin/sh\n${does}\n`);
      }
      write("../bin/mkdir", newTarget);
      rmSync(root, { recursive: true, force: true });
      assert.equal(run(WARM, loopback).enabled, true);
      assert.ok(readFileSync(join(dir, "mounts"), "utf8").includes(by));
      assert.equal(readFileSync(join(dir, "mounts"), "utf8").trim().split("\n").length, 1, "once");
    });
  }

  it("make room for a LUN that is to come, without a LUN", () => {
    makeTarget(iqn);
    makeStore("0", "");
    for (const _ of [1, 2]) {
      const warm = run(WARM, loopback, "10", "tandem.10.iscsi1");
      assert.deepEqual([warm.enabled, warm.luns, warm.stores.map(({ enabled }) => enabled)], [true, [], [false]]);
    }
    assert.ok(existsSync(join(root, tpg, "lun/lun_10")));
  });

  it("fail to withdraw when a target of an earlier IQN cannot be taken apart", () => {
    makeTarget(earlier);
    write("../bin/rmdir", "#!/bin/sh\nexit 1\n");
    assert.throws(() => run(WITHDRAW, loopback));
  });
});
