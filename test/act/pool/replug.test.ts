import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ownPlugs, replug } from "../../../src/act/pool/replug.ts";
import type { PoolView } from "../../../src/drivers/xapi/port.ts";
import { run, sessionOf, startSimPool, value, XCP1, type SimHost } from "./sim-pool.ts";

const OURS = "44444444-4444-4444-8444-444444444444";
const PORTAL = "10.10.10.3";
const seed = {
  uuid: OURS,
  name: "tandem",
  type: "lvmoiscsi",
  shared: true,
  deviceConfig: { target: `10.9.9.9, ${PORTAL}`, targetIQN: "iqn.x:ours" },
};

async function viewOf(host: SimHost): Promise<PoolView> {
  const session = await sessionOf(host);
  const ask = { deadlineMs: 3_000 };
  const { records } = host.context;
  const [hosts, srs, pbds] = [
    await records.hosts(session, ask),
    await records.srs(session, ask),
    await records.pbds(session, ask),
  ];
  assert.ok(hosts.ok && srs.ok && pbds.ok);
  return { hosts: hosts.value, srs: srs.value, pbds: pbds.value } as unknown as PoolView;
}

describe("replug", { timeout: 60_000 }, () => {
  test("plugs this host's PBD of our SR, and says what keeps it from that", async (t) => {
    const { master } = await startSimPool(t, { srs: [seed] });
    const plugs = async (hasSession = true) => ownPlugs(await viewOf(master), XCP1, PORTAL, () => hasSession);
    // xapi plugged it at its start.
    await run(master, "PBD.unplug", (await plugs())[0]?.pbd ?? "");
    const before = await plugs();
    assert.deepEqual(
      before.map(({ sr, state }) => [sr, state]),
      [[OURS, "unplugged"]],
    );
    master.storage.broken = "no portal";
    const failed = value(await replug(master.context, before, 3_000));
    assert.match(failed[0]?.failure ?? "", /no portal|SR_BACKEND_FAILURE|INTERNAL/);
    master.storage.broken = null;
    assert.equal(value(await replug(master.context, before, 3_000))[0]?.failure, null);
    assert.equal((await plugs())[0]?.state, "plugged");

    const gone = await plugs(false);
    assert.equal(gone[0]?.state, "no-session");
    master.steps.length = 0;
    assert.equal(value(await replug(master.context, gone, 3_000))[0]?.failure, null);
    assert.deepEqual(
      master.steps.map((step) => step.split(" ")[0]),
      ["unplug", "plug"],
    );
    assert.equal((await plugs())[0]?.state, "plugged");
    assert.equal(await run(master, "PBD.get_currently_attached", gone[0]?.pbd ?? ""), true);
  });
});
