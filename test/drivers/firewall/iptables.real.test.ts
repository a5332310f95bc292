// Real packets through a real iptables, a real nft, and the real `ss -K`, on the loopback of a namespace.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { after, before, describe, it } from "node:test";
import type { ExecPort } from "../../../src/drivers/exec/port.ts";
import { createExec } from "../../../src/drivers/exec/run.ts";
import { createFirewall } from "../../../src/drivers/firewall/iptables.ts";
import { isInNamespace, runInNamespace } from "../exec/namespace.ts";
import { realTools } from "../exec/real-tools.ts";

const tools = realTools(
  ["iptables-legacy-restore", "nft", "ss"],
  [
    "iptables",
    "nftables",
    "iproute2",
    "libip4tc2",
    "libip6tc2",
    "libxtables12",
    "libnftnl11",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftables1",
    "libjansson4",
    "libedit2",
    "libbsd0",
    "libmd0",
  ],
);

/** Unpacked packages lack the names that their installation links: the flavours are called by their own names. */
function flavour(exec: ExecPort, name: "iptables-legacy" | "iptables-nft" | "none"): ExecPort {
  return {
    ...exec,
    run(file, args, options) {
      if (!/^ip6?tables/.test(file)) return exec.run(file, args, options);
      const own = file.startsWith("ip6") ? name.replace("ip", "ip6") : name;
      return exec.run(file.replace(/^ip6?tables(-legacy)?/, own), args, options);
    },
  };
}

if (!isInNamespace()) {
  describe("firewall in a namespace", { skip: tools.skip ?? false }, () => {
    it("passes every real test", () => {
      const addresses = ["10.10.10.1/32", "10.10.10.3/32", "fd00::1/128", "fd00::3/128"].map(
        (one) => `ip addr add ${one} dev lo`,
      );
      const report = runInNamespace(fileURLToPath(import.meta.url), ["mount -t tmpfs tmpfs /run", ...addresses], {});
      assert.equal(report, null, report ?? "");
    });
  });
} else {
  const exec = createExec({ path: tools.path, env: tools.env });
  let server: Server;
  const accepted: Socket[] = [];
  before(async () => {
    server = createServer((socket) => {
      accepted.push(socket);
      socket.on("error", () => undefined);
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(3260, "10.10.10.3", resolve));
  });
  after(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });

  function canConnect(host = "10.10.10.3", localAddress = "10.10.10.1"): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect({ host, port: 3260, localAddress });
      const done = (result: boolean) => {
        clearTimeout(timer);
        socket.destroy();
        resolve(result);
      };
      const timer = setTimeout(() => done(false), 300);
      socket.on("connect", () => done(true));
      socket.on("error", () => done(false));
    });
  }

  for (const name of ["iptables-legacy", "iptables-nft", "none"] as const) {
    describe(name === "none" ? "nft" : name, () => {
      const firewall = createFirewall(flavour(exec, name));
      it("drops the portal's packets and lets them through again", async () => {
        assert.equal(await canConnect(), true);
        assert.equal((await firewall.prepare()).ok, true);
        assert.equal(await canConnect(), true);
        assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "changed" });
        assert.equal(await canConnect(), false);
        assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "already" });
        assert.deepEqual(await firewall.unblock("10.10.10.3", 3260), { ok: true, value: "changed" });
        assert.equal(await canConnect(), true);
      });

      it("keeps an open connection silent, not broken: it goes on when the block ends", async () => {
        const socket = connect({ host: "10.10.10.3", port: 3260, localAddress: "10.10.10.1" });
        const events: string[] = [];
        socket.on("data", (data) => events.push(data.toString()));
        socket.on("error", (error) => events.push(error.message));
        socket.on("close", () => events.push("closed"));
        await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
        await firewall.block("10.10.10.3", 3260);
        socket.write("hello");
        await delay(250);
        assert.deepEqual(events, []);
        await firewall.unblock("10.10.10.3", 3260);
        for (let round = 0; round < 300 && events.length === 0; round++) await delay(10);
        assert.deepEqual(events, ["hello"]);
        socket.destroy();
      });

      it("clears away what an earlier daemon left blocked, and leaves the rules of others", async () => {
        await firewall.block("10.10.10.3", 3260);
        if (name !== "none") {
          const own = flavour(exec, name);
          await own.run("iptables", ["-A", "INPUT", "-s", "203.0.113.7", "-j", "DROP"], { timeoutMs: 5000 });
        }
        assert.equal((await createFirewall(flavour(exec, name)).prepare()).ok, true);
        assert.equal(await canConnect(), true);
        if (name !== "none") {
          const rules = await flavour(exec, name).run("iptables", ["-S"], { timeoutMs: 5000 });
          assert.ok(rules.kind === "exited");
          assert.match(rules.stdout, /203\.0\.113\.7/);
          assert.equal(rules.stdout.match(/-j TANDEM/g)?.length, 2, "one hook in INPUT and one in OUTPUT");
        }
      });
    });
  }

  for (const name of ["iptables-legacy", "none"] as const) {
    it(`does the same with an IPv6 portal (${name === "none" ? "nft" : name})`, async () => {
      const six = createServer((socket) => socket.end()).listen(3260, "fd00::3");
      const reaches = (): Promise<boolean> => canConnect("fd00::3", "fd00::1");
      const firewall = createFirewall(flavour(exec, name), { family: 6 });
      assert.equal(await reaches(), true);
      assert.equal((await firewall.prepare()).ok, true);
      assert.deepEqual(await firewall.block("fd00::3", 3260), { ok: true, value: "changed" });
      assert.equal(await reaches(), false);
      assert.equal(await canConnect(), true, "the other family is left alone");
      assert.deepEqual(await firewall.unblock("fd00::3", 3260), { ok: true, value: "changed" });
      assert.equal(await reaches(), true);
      assert.equal((await firewall.block("10.10.10.3", 3260)).ok, false);
      six.close();
    });
  }

  for (const [family, host, localAddress] of [
    [4, "10.10.10.3", "10.10.10.1"],
    [6, "fd00::3", "fd00::1"],
  ] as const) {
    it(`keeps requests and the end of a connection from the other end while it is hushed (IPv${family})`, async () => {
      const served: Socket[] = [];
      const portal = createServer((socket) => served.push(socket.on("error", () => undefined))).listen(3270, host);
      const heard: string[] = [];
      const socket = connect({ host, port: 3270, localAddress });
      for (const event of ["end", "error"]) socket.on(event, () => heard.push(event));
      await once(socket, "connect");
      const asked: string[] = [];
      served[0]?.on("data", (data) => asked.push(data.toString()));
      const firewall = createFirewall(exec, { family, feed: exec });
      assert.equal((await firewall.prepare()).ok, true);
      await firewall.hush(host, 3270, "requests");
      socket.write("request");
      await delay(250);
      assert.deepEqual(asked, []);
      await firewall.hush(host, 3270, "all");
      served[0]?.destroy();
      await delay(250);
      assert.deepEqual(heard, []);
      await firewall.hush(host, 3270, "off");
      for (let round = 0; round < 300 && heard.length === 0; round++) await delay(10);
      assert.notDeepEqual(heard, []);
      socket.destroy();
      portal.close();
    });
  }

  describe("ss -K", { skip: canDestroySockets() ? false : "this kernel has no INET_DIAG_DESTROY" }, () => {
    it("ends this host's own connections to the portal, and no other", async () => {
      const open = async (port: number) => {
        const socket = connect({ host: "10.10.10.3", port, localAddress: "10.10.10.1" });
        const ends: string[] = [];
        socket.on("error", (error: NodeJS.ErrnoException) => ends.push(error.code ?? ""));
        await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
        return { socket, ends };
      };
      const other = createServer((socket) => accepted.push(socket));
      await new Promise<void>((resolve) => other.listen(3261, "10.10.10.3", resolve));
      const ours = await open(3260);
      const bystander = await open(3261);
      createFirewall(exec).kick("10.10.10.3", 3260);
      for (let round = 0; round < 300 && ours.ends.length === 0; round++) await delay(10);
      assert.deepEqual([ours.ends, bystander.ends], [["ECONNABORTED"], []]);
      ours.socket.destroy();
      bystander.socket.destroy();
      other.close();
    });
  });
}

function canDestroySockets(): boolean {
  if (!existsSync("/proc/config.gz")) return false;
  return gunzipSync(readFileSync("/proc/config.gz")).includes("CONFIG_INET_DIAG_DESTROY=y");
}
