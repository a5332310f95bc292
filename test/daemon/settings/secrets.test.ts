// V13: a password is in the Secret, in the root-only cache and on the agent's standard input, and nowhere else.

import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { createSecrets, type Secrets } from "../../../src/daemon/settings/secrets.ts";
import { describePoolFailure } from "../../../src/act/pool/procedure.ts";
import { keepSecret } from "../../../src/act/pool/secrets.ts";
import { effectiveConfig, type EffectiveResult } from "../../../src/config/effective.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { createExec } from "../../../src/drivers/exec/run.ts";
import { createFence } from "../../../src/drivers/fence/agent.ts";
import { createLogger } from "../../../src/report/logger.ts";
import { err } from "../../../src/util/result.ts";
import { eventually, run, startSimPool, type SimHost } from "../../act/pool/sim-pool.ts";
import { sampleFile, XCP2 } from "../../config/sample.ts";

const PASSWORD = "correct-horse+battery/7";

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-secrets-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Parts {
  readonly secrets: Secrets;
  readonly said: string[];
  readonly got: Readonly<Record<string, string>>[];
  readonly alerts: Map<string, string>;
  readonly cachePath: string;
}

async function partsOf(t: TestContext, host: SimHost, isMaster = true): Promise<Parts> {
  const cachePath = join(await folderOf(t), "secrets.json");
  const said: string[] = [];
  const got: Readonly<Record<string, string>>[] = [];
  const alerts = new Map<string, string>();
  const secrets = createSecrets({
    async perform(work) {
      const done = await work(host.context);
      return done.ok ? done : err(describePoolFailure(done.error));
    },
    onSecrets: (texts) => got.push(texts),
    log: (event, detail) => said.push(`${event} ${detail}`),
    alerts: { raise: (id, text) => void alerts.set(id, text), clear: (id) => void alerts.delete(id) },
    isMaster: () => isMaster,
    cachePath,
  });
  return { secrets, said, got, alerts, cachePath };
}

async function poolRef(host: SimHost): Promise<string> {
  const refs = await run(host, "pool.get_all");
  const [only] = Array.isArray(refs) ? refs : [];
  assert.ok(typeof only === "string");
  return only;
}
const otherConfig = async (host: SimHost): Promise<Record<string, string>> =>
  (await run(host, "pool.get_other_config", await poolRef(host))) as Record<string, string>;

/** What the daemon makes of the pool's other-config. */
const effective = (pool: Record<string, string>, secrets: Readonly<Record<string, string>> = {}): EffectiveResult =>
  effectiveConfig({ local: sampleFile(), pool, lastGood: null, secrets, keyId: "k" });

describe("passwords of the pool", { timeout: 60_000 }, () => {
  test("one found in the open is moved into a Secret by the master, with an alert, and then read from there", async (t) => {
    const { master } = await startSimPool(t);
    await run(master, "pool.add_to_other_config", await poolRef(master), "tandem:fence_passwd", PASSWORD);
    const parts = await partsOf(t, master);
    const found = effective(await otherConfig(master));
    assert.deepEqual(
      found.secretsToMove.map((one) => one.name),
      ["FENCE_PASSWD"],
    );
    parts.secrets.move(found.secretsToMove);
    await eventually(async () => parts.alerts.size > 0);
    assert.match(parts.alerts.get("secret-FENCE_PASSWD") ?? "", /Change the password/);
    const after = await otherConfig(master);
    assert.deepEqual(
      Object.keys(after).filter((key) => key.startsWith("tandem:")),
      ["tandem:FENCE_PASSWD_SECRET"],
    );
    assert.doesNotMatch(JSON.stringify(after), /correct-horse/);
    parts.secrets.poolChanged(after);
    await eventually(async () => parts.got.length > 0);
    const { config, secretsToMove } = effective(after, parts.got.at(-1));
    assert.equal(config.fence.password?.reveal(), PASSWORD);
    assert.deepEqual(secretsToMove, []);
    assert.doesNotMatch(JSON.stringify([config, parts.said, [...parts.alerts], master.steps]), /correct-horse/);
  });

  test("a supporter moves nothing: both hosts see it, one of them acts", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await run(master, "pool.add_to_other_config", await poolRef(master), "tandem:SMTP_PASS", PASSWORD);
    const { secrets } = await partsOf(t, supporter, false);
    secrets.move(effective(await otherConfig(master)).secretsToMove);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await otherConfig(master))["tandem:SMTP_PASS"], PASSWORD);
  });

  test("set from either host, replaced without a copy left behind, and removed again", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const { secrets } = await partsOf(t, supporter, false);
    assert.ok((await secrets.set("FENCE_PASSWD", "first")).ok);
    assert.ok((await secrets.set("FENCE_PASSWD", PASSWORD)).ok);
    const records = (await run(master, "secret.get_all_records")) as Record<string, { value: string }>;
    assert.deepEqual(
      Object.values(records).map((one) => one.value),
      [PASSWORD],
    );
    assert.ok((await secrets.set("FENCE_PASSWD", "")).ok);
    assert.deepEqual(await run(master, "secret.get_all_records"), {});
    assert.equal((await otherConfig(master))["tandem:FENCE_PASSWD_SECRET"], undefined);
  });

  test("the cache is root's alone and gives the password to the next daemon while the pool is not readable", async (t) => {
    const { master } = await startSimPool(t);
    const first = await partsOf(t, master);
    await first.secrets.set("FENCE_PASSWD", PASSWORD);
    first.secrets.poolChanged(await otherConfig(master));
    await eventually(async () => (await stat(first.cachePath).catch(() => null)) !== null);
    assert.equal((await stat(first.cachePath)).mode & 0o777, 0o600);
    await master.powerOff();
    const got: Readonly<Record<string, string>>[] = [];
    const next = createSecrets({
      perform: async () => err("the pool does not answer"),
      onSecrets: (texts) => got.push(texts),
      log: () => undefined,
      alerts: { raise: () => undefined, clear: () => undefined },
      isMaster: () => false,
      cachePath: first.cachePath,
    });
    await next.load();
    assert.deepEqual(got, [{ FENCE_PASSWD: PASSWORD }]);
  });

  test("a xapi that fails leaves the password where it was, and its words never show it", async (t) => {
    const { master } = await startSimPool(t);
    await run(master, "pool.add_to_other_config", await poolRef(master), "tandem:FENCE_PASSWD", PASSWORD);
    const gate: typeof master.context.gate = {
      ...master.context.gate,
      async openPool(...ask) {
        const session = await master.context.gate.openPool(...ask);
        if (!session.ok) return session;
        const call: typeof session.value.call = async (method, params, ...rest) =>
          method === "secret.create"
            ? err({ kind: "api", call: method, code: "INTERNAL_ERROR", params: [JSON.stringify(params)] })
            : session.value.call(method, params, ...rest);
        return { ok: true, value: { ...session.value, call } };
      },
    };
    const done = await keepSecret({ ...master.context, gate }, "FENCE_PASSWD", PASSWORD);
    assert.ok(!done.ok);
    assert.doesNotMatch(describePoolFailure(done.error), /correct-horse/);
    assert.equal((await otherConfig(master))["tandem:FENCE_PASSWD"], PASSWORD);
  });

  test("the agent gets it on standard input alone: not in its arguments, its environment, the log or an error", async (t) => {
    const folder = await folderOf(t);
    const agent = join(folder, "CUSTOM", "CUSTOM.sh");
    await mkdir(join(folder, "CUSTOM"));
    const script = [
      "#!/bin/bash",
      `tr '\\0' '\\n' < /proc/$$/cmdline > ${folder}/argv`,
      `tr '\\0' '\\n' < /proc/$$/environ > ${folder}/environ`,
      `cat > ${folder}/stdin`,
      `echo "login failed with password $(sed -n s/^password=//p ${folder}/stdin)" >&2`,
      "exit 1",
    ];
    await writeFile(agent, `${script.join("\n")}\n`);
    await chmod(agent, 0o755);
    const { config } = effective({ "tandem:FENCE_METHOD": "CUSTOM" }, { FENCE_PASSWD: PASSWORD });
    const settings = { ...config, fence: { ...config.fence, folder, timeoutMs: 5_000 } };
    const locate = { ascendTo: folder, owner: process.getuid?.() ?? 0 };
    const fence = createFence({ exec: createExec(), clock: systemClock(), config: () => settings, locate });
    const result = await fence.off(XCP2);
    const logPath = join(folder, "tandemd.log");
    const logger = createLogger({ node: "xcp1", level: "debug", path: logPath, stderr: false });
    logger.event("fence.failed", { detail: JSON.stringify(result), config: settings, password: PASSWORD });
    logger.close();
    assert.equal(result.kind, "failed");
    assert.match(await readFile(join(folder, "stdin"), "utf8"), /^password=correct-horse\+battery\/7$/m);
    for (const name of ["argv", "environ", "tandemd.log"]) {
      assert.doesNotMatch(await readFile(join(folder, name), "utf8"), /correct-horse/, name);
    }
    assert.doesNotMatch(JSON.stringify(result), /correct-horse/);
  });
});
