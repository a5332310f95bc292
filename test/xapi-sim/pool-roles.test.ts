import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { refFor } from "./db.ts";
import { eventually, HOSTS, login, must, type Pair, rpc, startPair, VM_UUIDS } from "./pair.ts";
import { asRec, asText } from "./types.ts";

const withPair = async (
  work: (pair: Pair) => Promise<void>,
  change?: Parameters<typeof startPair>[0],
): Promise<void> => {
  const pair = await startPair(change);
  try {
    await work(pair);
  } finally {
    await pair.close();
  }
};

const VM1 = refFor("VM", VM_UUIDS[0]);
const HOST1 = refFor("host", HOSTS[0].uuid);
const HOST2 = refFor("host", HOSTS[1].uuid);

test("a supporter becomes master from its copy, with the old master dead and not enabled", async () => {
  await withPair(async (pair) => {
    const [one, two] = pair.hosts;
    const session = await login(one.socket);
    await must({ socketPath: one.socket }, "VM.start_on", [session, VM1, HOST1, false, false]);
    await must({ socketPath: one.socket }, "pool.sync_database", [session]);
    await one.running.kill();
    one.hypervisor.losePower();

    await assert.rejects(
      rpc({ socketPath: two.socket }, "session.login_with_password", ["root", ""], 300),
      /no answer/,
    );
    const tcp = await rpc({ host: two.address, port: pair.httpPort }, "session.login_with_password", [
      "root",
      "secret",
    ]);
    assert.deepEqual(tcp.error, { code: 1, message: "HOST_IS_SLAVE", data: [one.address] });
    const local = await must({ socketPath: two.socket }, "session.slave_local_login_with_password", ["root", ""]);
    assert.equal(await must({ socketPath: two.socket }, "host.is_in_emergency_mode", [local]), false);
    assert.equal(await must({ socketPath: two.socket }, "pool.emergency_transition_to_master", [local]), "");
    assert.equal(readFileSync(`${two.folder}/pool.conf`, "utf8"), "master");

    await eventually("the new master enabled itself", async () => {
      const fresh = await login(two.socket);
      return (await must({ socketPath: two.socket }, "host.get_enabled", [fresh, HOST2])) === true;
    });
    await eventually("start is complete", () => existsSync(`${two.folder}/init-complete.cookie`));
    const fresh = await login(two.socket);
    const pools = asRec(await must({ socketPath: two.socket }, "pool.get_all_records", [fresh]));
    assert.equal(asRec(Object.values(pools)[0])["master"], HOST2);
    const host1 = asRec(await must({ socketPath: two.socket }, "host.get_record", [fresh, HOST1]));
    const metrics = asText(host1["metrics"]);
    assert.equal(host1["enabled"], false);
    assert.equal(await must({ socketPath: two.socket }, "host_metrics.get_live", [fresh, metrics]), false);

    const start = ["VM.start_on", [fresh, VM1, HOST2, false, false]] as const;
    const early = await rpc({ socketPath: two.socket }, start[0], [...start[1]]);
    assert.equal(asRec(early.error)["message"], "VM_BAD_POWER_STATE");
    await must({ socketPath: two.socket }, "host.declare_dead", [fresh, HOST1]);
    await must({ socketPath: two.socket }, start[0], [...start[1]]);
    assert.equal((await two.hypervisor.list()).length, 1);
  });
});

test("a fenced master that boots while the other is master comes back as supporter", async () => {
  await withPair(async (pair) => {
    const [one, two] = pair.hosts;
    await one.running.kill();
    const local = await must({ socketPath: two.socket }, "session.slave_local_login_with_password", ["root", ""]);
    await must({ socketPath: two.socket }, "pool.emergency_transition_to_master", [local]);
    await eventually("the new master answers", async () => (await login(two.socket)) !== "");
    await one.boot();
    await eventually(
      "pool.conf was rewritten",
      () => readFileSync(`${one.folder}/pool.conf`, "utf8") === `slave:${two.address}`,
    );
    await eventually("the old master is live again", async () => {
      const session = await login(two.socket);
      return (await must({ socketPath: two.socket }, "host.get_enabled", [session, HOST1])) === true;
    });
  });
});

test("a master that trusts live=false declares a running host dead and the rejoining host ends its copy", async () => {
  await withPair(async (pair) => {
    const [one, two] = pair.hosts;
    const session = await login(one.socket);
    await must({ socketPath: one.socket }, "VM.start_on", [session, VM1, HOST1, false, false]);
    await must({ socketPath: one.socket }, "pool.sync_database", [session]);
    pair.setLink(false);
    const local = await must({ socketPath: two.socket }, "session.slave_local_login_with_password", ["root", ""]);
    await must({ socketPath: two.socket }, "pool.emergency_transition_to_master", [local]);
    await eventually(
      "two masters",
      async () => one.running.current?.isMaster === true && two.running.current?.isMaster === true,
    );
    await eventually("the new master is ready", () => two.running.current?.phase.kind === "ready");
    pair.setLink(true);
    await eventually("init complete", () => existsSync(`${two.folder}/init-complete.cookie`));
    const fresh = await login(two.socket);
    await must({ socketPath: two.socket }, "host.declare_dead", [fresh, HOST1]);
    await must({ socketPath: two.socket }, "VM.start_on", [fresh, VM1, HOST2, false, false]);
    assert.equal((await one.hypervisor.list()).length + (await two.hypervisor.list()).length, 2, "the VM runs twice");
    assert.deepEqual(await must({ socketPath: two.socket }, "pool.recover_slaves", [fresh]), [HOST1]);
    await eventually("the old master ended its copy", async () => (await one.hypervisor.list()).length === 0);
    assert.equal((await two.hypervisor.list()).length, 1);
  });
});

test("a restarted supporter with a dead master hangs but answers the emergency calls", async () => {
  await withPair(async (pair) => {
    const [one, two] = pair.hosts;
    await one.running.kill();
    await two.running.restart();
    await eventually("the supporter is up again", () => two.running.current?.phase.kind === "connecting");
    const local = await must({ socketPath: two.socket }, "session.slave_local_login_with_password", ["root", ""]);
    assert.equal(await must({ socketPath: two.socket }, "host.is_in_emergency_mode", [local]), false);
    await assert.rejects(rpc({ socketPath: two.socket }, "pool.get_all", [local], 300), /no answer/);
    assert.equal(await must({ host: two.address, port: pair.httpPort }, "system.isAlive:x", ["x"]), "x");
  });
});

test("designate_new_master swaps the roles and the VMs keep running", async () => {
  await withPair(async (pair) => {
    const [one, two] = pair.hosts;
    const session = await login(one.socket);
    await must({ socketPath: one.socket }, "VM.start_on", [session, VM1, HOST1, false, false]);
    await must({ socketPath: one.socket }, "pool.designate_new_master", [session, HOST2]);
    await eventually(
      "roles are swapped",
      () => two.running.current?.isMaster === true && one.running.current?.isMaster === false,
    );
    await eventually("both are enabled again", async () => {
      const fresh = await login(two.socket);
      const hosts = asRec(await must({ socketPath: two.socket }, "host.get_all_records", [fresh]));
      return Object.values(hosts).every((host) => asRec(host)["enabled"] === true);
    });
    const fresh = await login(two.socket);
    assert.equal(await must({ socketPath: two.socket }, "VM.get_power_state", [fresh, VM1]), "Running");
    assert.equal((await one.hypervisor.list()).length, 1);
  });
});

test("a supporter the master stopped hearing stays live for the assumed-dead time, then is not", async () => {
  await withPair(
    async (pair) => {
      const [one, two] = pair.hosts;
      const session = await login(one.socket);
      const metrics = asText(await must({ socketPath: one.socket }, "host.get_metrics", [session, HOST2]));
      await two.running.kill();
      const refused = await rpc({ socketPath: one.socket }, "VM.start_on", [session, VM1, HOST2, false, false]);
      assert.deepEqual(asRec(refused.error)["message"], "CANNOT_CONTACT_HOST");
      await eventually(
        "live is false",
        async () => (await must({ socketPath: one.socket }, "host_metrics.get_live", [session, metrics])) === false,
      );
      const offline = await rpc({ socketPath: one.socket }, "VM.start_on", [session, VM1, HOST2, false, false]);
      assert.deepEqual(asRec(offline.error)["message"], "HOST_NOT_LIVE");
    },
    { timings: { assumedDeadMs: 1500 } },
  );
});
