import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { mkdir, mkdtemp, open, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createCollector } from "./collector.ts";
import { compareAcked } from "./compare.ts";
import { openDirectDevice } from "./device.ts";
import { verify } from "./verify.ts";

const build = join(import.meta.dirname, "../../.build");
const vm = "aaaaaaaa-0000-4000-8000-000000000003";

async function whyNoDirect(): Promise<string | false> {
  await mkdir(build, { recursive: true });
  const probe = join(build, `direct-probe-${process.pid}`);
  await writeFile(probe, "");
  try {
    await (await open(probe, constants.O_RDWR | constants.O_DIRECT)).close();
    return false;
  } catch (error) {
    return `no O_DIRECT on the file system of .build: ${String(error)}`;
  } finally {
    await rm(probe);
  }
}

describe("a disk opened with O_DIRECT", { skip: await whyNoDirect() }, () => {
  let dir = "";
  let disk = "";
  before(async () => {
    dir = await mkdtemp(join(build, "device-test-"));
    disk = join(dir, "disk");
    await writeFile(disk, "");
    await truncate(disk, 1_048_576);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  test("takes and gives back whole pages, which an unaligned buffer could not", async () => {
    const device = openDirectDevice({ path: disk, readOnly: false, direct: true });
    await device.open();
    device.writeBuffer.fill(0x5a);
    assert.equal(await new Promise((resolve) => device.write(8192, resolve)), undefined);
    await device.read(4096, 12_288);
    assert.ok(device.readBuffer.subarray(4096, 8192).equals(device.writeBuffer));
    assert.ok(device.readBuffer.subarray(0, 4096).every((byte) => byte === 0));
    await device.close();
  });

  test("says what went wrong, and opens the path anew when it is there again", async () => {
    const device = openDirectDevice({ path: disk, readOnly: false, direct: true });
    const write = (): Promise<string | undefined> => new Promise((resolve) => device.write(0, resolve));
    await rename(disk, `${disk}.away`);
    assert.match((await write()) ?? "", /Cannot open .*ENOENT/);
    await rename(`${disk}.away`, disk);
    assert.equal(await write(), undefined);
    await device.close();
  });

  test("is not written by the verifier", async () => {
    const device = openDirectDevice({ path: disk, readOnly: true, direct: true });
    await device.open();
    assert.match((await new Promise<string | undefined>((resolve) => device.write(0, resolve))) ?? "", /EBADF/);
    await device.close();
  });

  test("carries a VM, and the verifier finds all it was told", async (t) => {
    const collector = createCollector();
    const port = await collector.listen({ host: "127.0.0.1", port: 0 });
    const args = [
      ["--vm", vm, "--name", "c", "--node", "xcp1", "--collector", `127.0.0.1:${port}`, "--device", disk],
      ["--region-start", "65536", "--region-bytes", "262144"],
    ].flat();
    const child = spawn(process.execPath, [join(import.meta.dirname, "vm.ts"), ...args], { stdio: "inherit" });
    t.after(() => child.kill("SIGKILL"));
    assert.ok(await collector.waitForAcks(vm, 500, 20_000));
    await new Promise((resolve) => child.on("exit", resolve).kill("SIGKILL"));
    const region = { vm, startBytes: 65_536, bytes: 262_144 };
    const { regions } = await verify(openDirectDevice({ path: disk, readOnly: true, direct: true }), disk, [region]);
    const { ackedWritesLost, checkedSlots, damagedSlots } = compareAcked(collector, regions);
    assert.deepEqual(
      { ackedWritesLost, checkedSlots, damagedSlots },
      { ackedWritesLost: 0, checkedSlots: 64, damagedSlots: 0 },
    );
    await collector.close();
  });
});
