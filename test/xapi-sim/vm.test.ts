import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { refFor } from "./db.ts";
import { eventually, HOSTS, login, must, type Pair, rpc, SR_UUID, startPair, VM_UUIDS } from "./pair.ts";
import { asList, asRec, asText, asTexts, type Json } from "./types.ts";
import { SECOND } from "./addresses.ts";

const VM1 = refFor("VM", VM_UUIDS[0]);
const VM2 = refFor("VM", VM_UUIDS[1]);
const HOST1 = refFor("host", HOSTS[0].uuid);
const HOST2 = refFor("host", HOSTS[1].uuid);
const SR = refFor("SR", SR_UUID);
const PBD2 = refFor("PBD", `${SR_UUID}/${HOSTS[1].uuid}`);
const VDI1 = refFor("VDI", refFor("VDI", `${VM_UUIDS[0]}/0`).slice(10));

let pair: Pair;
let session = "";
const call = (method: string, ...params: Json[]): Promise<Json> =>
  must({ socketPath: pair.hosts[0].socket }, method, [session, ...params]);
const failure = async (method: string, ...params: Json[]): Promise<string[]> => {
  const error = asRec((await rpc({ socketPath: pair.hosts[0].socket }, method, [session, ...params])).error);
  return [asText(error["message"]), ...asTexts(error["data"])];
};
const state = async (vm: string): Promise<Json> => call("VM.get_power_state", vm);

before(async () => {
  pair = await startPair();
  session = await login(pair.hosts[0].socket);
});
after(() => pair.close());

test("a running VM holds its disk's lock for its host and gives it back", async () => {
  await call("VM.start_on", VM1, HOST2, false, false);
  assert.deepEqual(await call("VDI.get_sm_config", VDI1), { [`host_${HOST2}`]: "RW" });
  assert.deepEqual(await failure("PBD.unplug", PBD2), ["VDI_IN_USE", VDI1]);
  assert.deepEqual(await failure("SR.forget", SR), ["SR_HAS_PBD", SR]);
  assert.deepEqual(await failure("VDI.destroy", VDI1), ["VDI_IN_USE", VDI1, "destroy"]);
  await call("VM.hard_shutdown", VM1);
  assert.deepEqual(await call("VDI.get_sm_config", VDI1), {});
});

test("a VM does not start where its SR is not plugged", async () => {
  await call("PBD.unplug", PBD2);
  await call("PBD.unplug", PBD2);
  assert.deepEqual(await failure("VM.start_on", VM1, HOST2, false, false), ["VM_REQUIRES_SR", VM1, SR]);
  assert.deepEqual(await call("VM.get_possible_hosts", VM1), [HOST1]);
  await call("PBD.plug", PBD2);
  assert.deepEqual(await call("VM.get_possible_hosts", VM1), [HOST2, HOST1]);
});

test("plugging an SR whose portal is dead is the iSCSI login failure", async () => {
  await call("PBD.unplug", PBD2);
  await call("PBD.set_device_config", PBD2, { target: SECOND, port: "1" });
  assert.equal((await failure("PBD.plug", PBD2))[0], "SR_BACKEND_FAILURE_68");
  await call("PBD.set_device_config", PBD2, {});
  await call("PBD.plug", PBD2);
});

test("a guest that ends by itself on the supporter is Halted in the master's database", async () => {
  await call("VM.start_on", VM1, HOST2, false, false);
  pair.hosts[1].hypervisor.exitByItself(VM_UUIDS[0]);
  await eventually("halted", async () => (await state(VM1)) === "Halted");
});

test("a guest that ends before anyone looked at it is Halted too", async () => {
  const { hypervisor } = pair.hosts[1];
  const stop = hypervisor.watch(() => hypervisor.exitByItself(VM_UUIDS[0]));
  await call("VM.start_on", VM1, HOST2, false, false);
  stop();
  await eventually("halted", async () => (await state(VM1)) === "Halted");
});

test("live migration, suspend and resume keep one domain", async () => {
  await call("VM.start_on", VM2, HOST1, false, false);
  await call("VM.pool_migrate", VM2, HOST2, { live: "true" });
  assert.equal(await call("VM.get_resident_on", VM2), HOST2);
  const counts = async (): Promise<number[]> =>
    Promise.all(pair.hosts.map(async (host) => (await host.hypervisor.list()).length));
  assert.deepEqual(await counts(), [0, 1]);
  await call("VM.suspend", VM2);
  assert.equal(await state(VM2), "Suspended");
  assert.deepEqual(await counts(), [0, 0]);
  await call("VM.resume_on", VM2, HOST1, false, false);
  assert.deepEqual(await counts(), [1, 0]);
  await call("host.disable", HOST1);
  await call("host.evacuate", HOST1);
  assert.deepEqual(await counts(), [0, 1]);
  await call("host.enable", HOST1);
  await call("VM.clean_shutdown", VM2);
  assert.equal(await state(VM2), "Halted");
});

test("event.from without news keeps its token and ends at once when its session does", async () => {
  const own = await login(pair.hosts[0].socket);
  const unix = { socketPath: pair.hosts[0].socket };
  const first = asRec(await must(unix, "event.from", [own, ["vm"], "", 0.1]));
  assert.equal(asList(first["events"]).length, 4);
  const idle = asRec(await must(unix, "event.from", [own, ["vm"], first["token"] ?? "", 0.1]));
  assert.deepEqual([idle["events"], idle["token"]], [[], first["token"]]);
  const waiting = rpc(unix, "event.from", [own, ["vm"], first["token"] ?? "", 30]);
  await must(unix, "session.logout", [own]);
  assert.deepEqual((await waiting).error, { code: 1, message: "SESSION_INVALID", data: [own] });
});

test("destroyed objects come as del without a snapshot", async () => {
  const token = asRec(await call("event.from", ["vm_appliance"], "", 0.1))["token"] ?? "";
  const app = await call("VM_appliance.create", { name_label: "a", name_description: "" });
  const made = asRec(await call("event.from", ["vm_appliance"], token, 2));
  await call("VM_appliance.destroy", app);
  const gone = asRec(asList(asRec(await call("event.from", ["VM_appliance"], made["token"] ?? "", 2))["events"])[0]);
  assert.deepEqual([gone["operation"], gone["ref"], gone["snapshot"]], ["del", app, undefined]);
});

test("get_all_records_where understands and, or, not and parentheses", async () => {
  const labels = async (text: string): Promise<Json[]> =>
    Object.values(asRec(await call("VM.get_all_records_where", text))).map(
      (record) => asRec(record)["name_label"] ?? "",
    );
  const guests = 'field "is_control_domain" = "false"';
  assert.deepEqual(await labels(`${guests} and (field "name_label" = "vm1" or field "name_label" = "nope")`), ["vm1"]);
  assert.deepEqual(await labels(`${guests} and not field "name_label" = "vm1"`), ["vm2"]);
});

test("a body above 300 KiB and a wrong pool secret are refused", async () => {
  const big = JSON.stringify({ id: 1, method: "x", params: ["y".repeat(310 * 1024)] });
  const { post } = await import("./pair.ts");
  assert.equal((await post({ socketPath: pair.hosts[0].socket }, "/jsonrpc", big)).status, 500);
  const answer = JSON.parse(
    (await post({ socketPath: pair.hosts[0].socket }, "/internal/is_slave", "{}")).body,
  ) as Json;
  assert.deepEqual(asRec(answer)["error"], ["SESSION_AUTHENTICATION_FAILED", "pool", "Pool credentials invalid"]);
});
