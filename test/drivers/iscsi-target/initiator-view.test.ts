// Whose silence it is: the way to the target, the target itself, or the disk below it.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { ExecResult } from "../../../src/drivers/exec/port.ts";
import { viewOf } from "../../../src/drivers/iscsi-target/initiator-view.ts";
import type { InitiatorView, TargetSpec } from "../../../src/drivers/iscsi-target/port.ts";
import { exited } from "../exec/scripted-exec.ts";
import { startFakeTarget, type FakeTarget } from "./fake-target.ts";

const TIMEOUT_MS = 200;
const DD = "dd if=/dev/drbd1 of=/dev/null bs=4096 count=1 iflag=direct";

describe("what an initiator meets", () => {
  /** The same target by its two portals. */
  let atAddress: FakeTarget;
  let onLoopback: FakeTarget;
  let disk: ExecResult;
  let ran: string[];

  beforeEach(async () => {
    [atAddress, onLoopback] = await Promise.all([startFakeTarget(true), startFakeTarget(true)]);
    disk = exited(0);
    ran = [];
  });
  afterEach(() => Promise.all([atAddress.close(), onLoopback.close()]));

  const view = (luns = 1): Promise<InitiatorView> => {
    const spec: TargetSpec = {
      iqn: "iqn.2026-11.test:iscsi1",
      tid: 1,
      luns: Array.from({ length: luns }, (_, i) => {
        return { resource: `r${i}`, device: `/dev/drbd${i + 1}`, lun: i, scsiId: null, scsiSn: null };
      }),
      allow: ["ALL"],
      portal: { address: atAddress.portal.host, port: atAddress.portal.port },
    };
    const exec = {
      run: async (file: string, args: readonly string[]) => {
        ran.push([file, ...args].join(" "));
        return disk;
      },
    };
    const isAnswer = (error: { readonly kind: string }): boolean => error.kind !== "timeout";
    return viewOf({ exec, loopback: onLoopback.portal, timeoutMs: TIMEOUT_MS, isAnswer }, spec);
  };

  it("is a login and a READ of each LUN at the portal's address, and nothing else while they are answered", async () => {
    assert.equal(await view(2), "answers");
    assert.equal(atAddress.logins(), 2);
    assert.equal(onLoopback.logins(), 0);
    assert.deepEqual(ran, []);
    assert.equal(await view(0), "answers", "nothing is exported");
  });

  for (const how of ["silence", "a refusal"] as const)
    it(`is the way there when ${how} meets it at the address alone`, async () => {
      if (how === "silence") atAddress.mute("all");
      else atAddress.drop(true);
      assert.equal(await view(), "answers-on-loopback");
      assert.deepEqual(ran, []);
    });

  it("is the target when nothing of it answers", async () => {
    atAddress.mute("all");
    onLoopback.mute("all");
    assert.equal(await view(), "silent");
    assert.deepEqual(ran, [], "no disk needs to be asked");
  });

  it("is not the target when it answered late, but within the second question", async () => {
    atAddress.mute("all");
    onLoopback.mute("all");
    const seen = view();
    await delay(TIMEOUT_MS / 2);
    onLoopback.mute("nothing");
    assert.equal(await seen, "answers-on-loopback");
  });

  it("is the target too when it takes logins and reads nothing, while the disk below it reads", async () => {
    atAddress.mute("reads");
    onLoopback.mute("reads");
    assert.equal(await view(), "silent");
    assert.deepEqual(ran, [DD]);
    disk = exited(1, "", "Input/output error");
    assert.equal(await view(), "silent", "an error is an answer of the disk");
  });

  it("is the disk when that reads nothing either, or an earlier question to it never came back", async () => {
    atAddress.mute("reads");
    onLoopback.mute("reads");
    disk = { kind: "timeout", pid: 7, afterMs: TIMEOUT_MS };
    assert.equal(await view(), "disk-waits");
    disk = { kind: "busy", pid: 7 };
    assert.equal(await view(), "disk-waits");
  });
});
