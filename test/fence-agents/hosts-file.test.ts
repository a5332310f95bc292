// The hosts files of the seeds, our options, and what is refused in them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "../../src/fence-agents/agent.ts";
import { findHost } from "../../src/fence-agents/hosts-file.ts";
import { parsePins, pinRefusal } from "../../src/fence-agents/pin.ts";
import { ask, HOST, OTHER } from "./call.ts";

const find = (text: string): ReturnType<typeof findHost> => findHost(text, HOST, "ILO.hosts");
const PIN = `SHA256:${"A".repeat(43)}`;

test("the hosts files of the seeds are read as they are", () => {
  const found = find(`${OTHER}:192.168.1.141\n${HOST}:192.168.1.132\n`);
  assert.deepEqual(found.ok && [found.value.device, [...found.value.options]], ["192.168.1.132", []]);
  const vm = find(`${HOST.toUpperCase()}:0838afcc-1c6c-549b-a28c-d7916ca7753a  \r\n`);
  assert.equal(vm.ok && vm.value.device, "0838afcc-1c6c-549b-a28c-d7916ca7753a");
});

test("options follow the address; IPv6 addresses and hex pins may hold colons", () => {
  const found = find(`${HOST}:fd00::12,user=Administrator,pin=${PIN}|${"AB:".repeat(31)}AB,port=2222`);
  assert.ok(found.ok, JSON.stringify(found));
  assert.equal(found.value.device, "fd00::12");
  assert.equal(found.value.options.get("user"), "Administrator");
  assert.equal(found.value.options.get("port"), "2222");
});

const refused: readonly (readonly [what: string, text: string, reason: RegExp])[] = [
  ["no line for the host", `${OTHER}:192.0.2.1\n#${HOST}:192.0.2.1\n`, /Cannot find host .* add a line/],
  ["a longer UUID", `${HOST}0:192.0.2.1`, /line 1: found no UUID/],
  ["two lines for the host", `${HOST}:192.0.2.1\n${HOST}:192.0.2.2`, /found 2 lines/],
  ["a space", `${HOST}:192.0.2.1 ,user=x`, /found a space/],
  ["no address", `${HOST}:,user=x`, /no address/],
  ["an option as address", `${HOST}:-oProxyCommand=x`, /no address/],
  ["an unknown option", `${HOST}:192.0.2.1,pinn=${PIN}`, /found "pinn=/],
  ["an option without a value", `${HOST}:192.0.2.1,pin`, /found "pin"/],
  ["an option twice", `${HOST}:192.0.2.1,port=1,port=2`, /port twice/],
];
for (const [what, text, reason] of refused) {
  test(`a hosts file with ${what} is refused`, () => {
    const found = find(text);
    assert.ok(!found.ok && reason.test(found.error), JSON.stringify(found));
  });
}

test("a line that cannot be read spoils the file for every host", () => {
  assert.equal(find(`nonsense\n${HOST}:192.0.2.1\n`).ok, false);
});

test("a pin is base64 or hex; anything else is refused", () => {
  const hex = Buffer.alloc(32, 0xab).toString("hex");
  const base64 = `SHA256:${Buffer.alloc(32, 0xab).toString("base64").replaceAll("=", "")}`;
  assert.deepEqual(parsePins(hex.toUpperCase().replaceAll(/(..)(?=.)/g, "$1:")), { ok: true, value: [base64] });
  assert.deepEqual(parsePins(`${base64}|${PIN}`), { ok: true, value: [base64, PIN] });
  for (const bad of ["", "SHA256:", "MD5:00", `${base64}|`, hex.slice(2)]) assert.equal(parsePins(bad).ok, false, bad);
});

test("an unpinned device is refused with the line to write; a wrong pin says that nothing was sent", () => {
  assert.match(
    pinRefusal([], PIN, "host key") ?? "",
    /not pinned: it shows SHA256:A+; check that .* add ,pin=SHA256:A+/,
  );
  assert.match(pinRefusal([`${PIN}B`], PIN, "host key") ?? "", /expected .*nothing was sent/);
  assert.equal(pinRefusal(["x", PIN], PIN, "host key"), null);
});

test("a call with nonsense is answered before any device is asked", async () => {
  const at = "127.0.0.1,user=x";
  assert.equal((await ask(at, { method: "ILO", hostId: "xcp2" })).code, 1);
  assert.equal((await ask(at, { method: "ILO", action: "explode" })).code, 3);
  assert.match((await ask(at, { method: "DRAC" })).stderr, /expected ILO, IPMI, REDFISH, IRMC, XVM/);
  assert.match((await ask(at, { method: "ILO", hosts: null })).stderr, /Cannot find ILO.hosts/);
  assert.match((await ask("127.0.0.1", { method: "REDFISH", password: "x" })).stderr, /has no user=/);
  assert.match((await ask(`${at}`, { method: "REDFISH" })).stderr, /FENCE_PASSWD is not set/);
  assert.match((await ask("127.0.0.1", { method: "ILO" })).stderr, /FENCE_PASSWD is not set/);
  assert.match((await ask(`${at},port=0`, { method: "ILO", password: "x" })).stderr, /found port=0/);
  assert.match((await ask(`${at},key=/no/such`, { method: "ILO" })).stderr, /Cannot read the key/);
  assert.match((await ask(`${at},system=1`, { method: "ILO", password: "x" })).stderr, /option system means nothing/);
  assert.match((await ask(`${at},auth=digest`, { method: "REDFISH", password: "x" })).stderr, /found auth=digest/);
  assert.match((await ask(`${at},via=ssh`, { method: "IRMC", password: "x" })).stderr, /found via=ssh/);
  assert.match((await ask(`${at},cipher=0`, { method: "IPMI", password: "x" })).stderr, /found cipher=0/);
  assert.match((await ask(at, { method: "IPMI", password: "x".repeat(21) })).stderr, /longer than the 20 bytes/);
  assert.match((await ask("vm;reboot", { method: "XVM", password: "x" })).stderr, /no address or name/);
  assert.match((await ask("vm", { method: "XVM", password: "x" })).stderr, /expected the UUID of a VM/);
  assert.match((await ask(OTHER, { method: "XVM", password: "x" })).stderr, /FENCE_IPADDRESS is not set/);
  const none = await answer({ ...callOf("ILO"), timeoutMs: 0.5 });
  assert.equal(none.code, 1, "no time at all is a failure, never a state");
});

const callOf = (method: string): Parameters<typeof answer>[0] => ({
  method,
  hostId: HOST,
  action: "status",
  address: "",
  password: "x",
  hosts: `${HOST}:127.0.0.1\n`,
  timeoutMs: 1000,
});
