// The setup in the pool: its record as a Secret, the other host by its plugin, the SR on the floating IP. Against simulated
// xapis.

import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { recordText, parseRecord } from "../../src/setup/answers.ts";
import { askHost, readPlace } from "../../src/setup/pool/peer.ts";
import { readPoolText, SETUP_RECORD, writePoolText } from "../../src/setup/pool/record.ts";
import type { XapiError, XapiGate, XapiSession, XapiValue } from "../../src/drivers/xapi/port.ts";
import { err, ok, type Result } from "../../src/util/result.ts";
import { ensureSr, forgetSr } from "../../src/setup/pool/sr.ts";
import { startSimPool, XCP1, XCP2 } from "../act/pool/sim-pool.ts";
import { ANSWERS, RECORD, SECRET } from "./samples.ts";

test("the record is a Secret of the pool, readable on both hosts, and its text is nowhere else", async (t) => {
  const { master, supporter } = await startSimPool(t);
  assert.deepEqual(await readPoolText(master.context, SETUP_RECORD), { ok: true, value: null });
  assert.ok((await writePoolText(supporter.context, SETUP_RECORD, recordText(RECORD))).ok);
  const found = await readPoolText(master.context, SETUP_RECORD);
  assert.ok(found.ok && found.value !== null);
  assert.deepEqual(parseRecord(found.value), { ok: true, value: RECORD });
  const session = await master.gate.openPool(3_000);
  assert.ok(session.ok);
  const pools = await session.value.call("pool.get_all_records", [], 3_000);
  assert.ok(pools.ok && !JSON.stringify(pools.value).includes(SECRET));
  assert.ok((await writePoolText(master.context, SETUP_RECORD, "")).ok);
  assert.deepEqual(await readPoolText(master.context, SETUP_RECORD), { ok: true, value: null });
});

test("the other host is asked by its plugin; without one the answer says what to install", async (t) => {
  const { master, supporter } = await startSimPool(t);
  const place = await readPlace(master.context);
  assert.ok(place.ok);
  assert.equal(place.value.masterUuid, XCP1);
  const peer = { uuid: XCP2, name: "xcp2" };
  const call = { fn: "identify", erase: [], answers: null } as const;
  const missing = await askHost(master.context, peer, call);
  assert.ok(!missing.ok);
  assert.match(missing.error, /install the tandem package there/);
  await mkdir(supporter.plugins, { recursive: true });
  const path = join(supporter.plugins, "tandem");
  const say = async (body: string): Promise<void> => {
    await writeFile(
      path,
      `#!/bin/sh\ncat <<'X'\n<?xml version="1.0"?><methodResponse><params><param><value><struct>${body}</struct></value></param></params></methodResponse>\nX\n`,
    );
    await chmod(path, 0o755);
  };
  const member = (name: string, value: string): string =>
    `<member><name>${name}</name><value>${value}</value></member>`;
  await say(member("Status", "Success") + member("Value", '{"name":"xcp2"}'));
  assert.deepEqual(await askHost(master.context, peer, call), { ok: true, value: { name: "xcp2" } });
  const words = ["XENAPI_PLUGIN_FAILURE", "tandem", "the disk is gone"]
    .map((word) => `<value>${word}</value>`)
    .join("");
  await say(member("Status", "Failure") + member("ErrorDescription", `<array><data>${words}</data></array>`));
  const failed = await askHost(master.context, peer, call);
  assert.deepEqual(failed, { ok: false, error: "xcp2: the disk is gone" });
});

test("the SR is made once, on the LUN that SM lists, and plugged on both hosts; it can be forgotten while it is empty", async (t) => {
  const { master, supporter } = await startSimPool(t);
  const made = await ensureSr(supporter.context, ANSWERS);
  assert.ok(made.ok, JSON.stringify(made));
  assert.equal(made.value.was, "made");
  const again = await ensureSr(master.context, ANSWERS);
  assert.deepEqual(again, { ok: true, value: { uuid: made.value.uuid, was: "there" } });
  const session = await master.gate.openPool(3_000);
  assert.ok(session.ok);
  const answer = await session.value.call("PBD.get_all_records", [], 3_000);
  assert.ok(answer.ok);
  interface Pbd {
    readonly currently_attached: boolean;
    readonly device_config: Readonly<Record<string, string>>;
  }
  const pbds = Object.values(answer.value as unknown as Record<string, Pbd>).filter(
    (one) => one.device_config["target"] === ANSWERS.vip,
  );
  assert.equal(pbds.length, 2);
  assert.ok(pbds.every((one) => one.currently_attached && one.device_config["SCSIid"] === "1IET_000a10"));
  const ref = await session.value.call("SR.get_by_uuid", [made.value.uuid], 3_000);
  assert.ok(ref.ok);
  const vdi = await session.value.call("VDI.create", [{ SR: ref.value, name_label: "disk", virtual_size: 1 }], 3_000);
  assert.ok(vdi.ok);
  const refused = await forgetSr(master.context, ANSWERS);
  assert.ok(!refused.ok && /holds 1 disks/.test(refused.error), JSON.stringify(refused));
  assert.ok((await session.value.call("VDI.destroy", [vdi.value], 3_000)).ok);
  assert.deepEqual(await forgetSr(master.context, ANSWERS), { ok: true, value: "forgotten" });
  assert.deepEqual(await forgetSr(master.context, ANSWERS), { ok: true, value: "none" });
});

test("another SR on the same target is neither taken for ours nor unplugged with it", async (t) => {
  const { master } = await startSimPool(t);
  const made = await ensureSr(master.context, ANSWERS);
  assert.ok(made.ok, JSON.stringify(made));
  const session = await master.gate.openPool(3_000);
  assert.ok(session.ok);
  const { call } = session.value;
  const place = await call("host.get_by_uuid", [XCP1], 3_000);
  assert.ok(place.ok);
  const target = { target: ANSWERS.vip, targetIQN: ANSWERS.iqn, port: "3260", SCSIid: "1IET_000b11" };
  const params = [place.value, target, 0, "somebody's", "", "lvmoiscsi", "user", true, {}] as const;
  const other = await call("SR.create", params, 10_000);
  assert.ok(other.ok, JSON.stringify(other));
  assert.deepEqual(await ensureSr(master.context, ANSWERS), {
    ok: true,
    value: { uuid: made.value.uuid, was: "there" },
  });
  assert.deepEqual(await forgetSr(master.context, ANSWERS), { ok: true, value: "forgotten" });
  const pbds = await call("PBD.get_all_records", [], 3_000);
  assert.ok(pbds.ok);
  const left = Object.values(pbds.value as Record<string, { SR: string; currently_attached: boolean }>).filter(
    (one) => one.SR === other.value,
  );
  assert.ok(left.length > 0);
  assert.ok(left.every((one) => one.currently_attached));
  assert.deepEqual(await forgetSr(master.context, ANSWERS), { ok: true, value: "none" });
});

/** What the second look, at the LUN itself, may meet instead of a list. */
const NO_LISTS: readonly (readonly [name: string, answer: Result<XapiValue, XapiError>])[] = [
  ["no answer in time", err({ kind: "timeout", call: "SR.probe", afterMs: 60_000 })],
  ["a lost connection", err({ kind: "transport", call: "SR.probe", reason: "socket hang up" })],
  ["an SR in use", err({ kind: "api", call: "SR.probe", code: "SR_BACKEND_FAILURE_39", params: ["", "SRInUse"] })],
  ["something that is no list", ok("<?xml version='1.0'?><iscsi-target/>")],
];
for (const [name, answer] of NO_LISTS) {
  test(`no SR is made on a LUN that could not be looked into: ${name}`, async (t) => {
    const { master } = await startSimPool(t);
    const calls: string[] = [];
    const openPool: XapiGate["openPool"] = async (deadlineMs, signal) => {
      const opened = await master.context.gate.openPool(deadlineMs, signal);
      if (!opened.ok) return opened;
      const session = opened.value;
      const call: XapiSession["call"] = (method, params, ms, aborted) => {
        calls.push(method);
        const second = method === "SR.probe" && calls.filter((one) => one === "SR.probe").length === 2;
        return second ? Promise.resolve(answer) : session.call(method, params, ms, aborted);
      };
      return ok({ ...session, call });
    };
    const made = await ensureSr({ ...master.context, gate: { ...master.context.gate, openPool } }, ANSWERS);
    assert.ok(!made.ok && /look whether the LUN holds an SR/.test(made.error), JSON.stringify(made));
    assert.ok(!calls.includes("SR.create"), calls.join());
  });
}
