// Real ip and arping on a pair of interfaces, each end in a network namespace of its own.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { connect, createServer, type AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, before, describe, it } from "node:test";
import { createSignsOfLife } from "../../../src/act/signs-of-life.ts";
import { createExec } from "../../../src/drivers/exec/run.ts";
import { addressesOf } from "../../../src/drivers/vip/addresses.ts";
import { createVip } from "../../../src/drivers/vip/ip.ts";
import type { VipSpec } from "../../../src/drivers/vip/port.ts";
import { isInNamespace, runInNamespace } from "../exec/namespace.ts";
import { realTools } from "../exec/real-tools.ts";

const tools = realTools(["ip", "arping", "ping"], ["iproute2", "iputils-arping", "iputils-ping"]);

/** The other host is a second namespace, named so that it can be left and entered; it ends with the mount namespace. */
const setup = [
  "mount -t tmpfs tmpfs /run",
  "ip netns add other",
  "ip link add repl type veth peer name repl netns other",
  "ip addr add 10.10.10.1/24 dev repl",
  "ip link set repl up",
  "ip netns exec other ip link set lo up",
  "ip netns exec other ip addr add 10.10.10.2/24 dev repl",
  "ip netns exec other ip link set repl up",
];

if (!isInNamespace()) {
  describe("floating IP and probes in a namespace", { skip: tools.skip ?? false }, () => {
    it("pass every real test", () => {
      const report = runInNamespace(fileURLToPath(import.meta.url), setup, {});
      assert.equal(report, null, report ?? "");
    });
  });
} else {
  const exec = createExec({ path: tools.path, env: tools.env });
  const vip: VipSpec = { address: "10.10.10.3", prefix: 32, device: "repl" };
  const port = createVip(exec);
  const env = { ...tools.env, PATH: tools.path };
  const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8", env });
  const other = (...args: string[]) => ip("netns", "exec", "other", ...args);
  const localRoutes = () =>
    ip("route", "show", "table", "local")
      .split("\n")
      .filter((line) => line.includes("10.10.10.3 "));

  /** The source address of a connection from this host to its own floating IP. */
  async function sourceOf(address: string): Promise<string> {
    const server = createServer((socket) => socket.end(socket.remoteAddress ?? ""));
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    try {
      return await new Promise((resolve, reject) => {
        const socket = connect({ host: address, port: (server.address() as AddressInfo).port });
        socket.once("data", (data) => {
          socket.destroy();
          resolve(data.toString());
        });
        socket.once("error", reject);
      });
    } finally {
      server.close();
    }
  }

  describe("floating IP", () => {
    afterEach(async () => {
      assert.equal((await port.ensureAbsent(vip)).ok, true);
      assert.deepEqual(localRoutes(), []);
    });

    it("is seen, added and removed on a device whose cable is pulled", async () => {
      const cable = (state: "up" | "down"): string => other("ip", "link", "set", "repl", state);
      assert.deepEqual(await port.ensurePresent(vip), { ok: true, value: "changed" });
      cable("down");
      try {
        await delay(200);
        assert.deepEqual(port.observe(vip), { kind: "present", device: "repl" });
        assert.deepEqual(await port.ensurePresent(vip), { ok: true, value: "already" });
        const found = await addressesOf(exec, "repl");
        assert.ok(found.ok);
        assert.deepEqual(
          found.value?.filter((one) => !one.address.includes(":")),
          [
            { address: "10.10.10.1", prefix: 24 },
            { address: "10.10.10.3", prefix: 32 },
          ],
        );
        assert.deepEqual(await port.ensureAbsent(vip), { ok: true, value: "changed" });
        assert.deepEqual(port.observe(vip), { kind: "absent" });
        assert.deepEqual(localRoutes(), []);
        assert.deepEqual(await port.ensurePresent(vip), { ok: true, value: "changed" });
      } finally {
        cable("up");
      }
      await delay(200);
      assert.deepEqual(port.observe(vip), { kind: "present", device: "repl" });
    });

    it("knows a device without addresses from one that does not exist", async () => {
      ip("link", "add", "name", "bare", "type", "veth", "peer", "name", "bare1");
      assert.deepEqual(await addressesOf(exec, "bare"), { ok: true, value: [] });
      assert.deepEqual(await addressesOf(exec, "nothing"), { ok: true, value: null });
      ip("link", "del", "bare");
    });

    it("comes and goes, and leaves nothing behind", async () => {
      assert.deepEqual(port.observe(vip), { kind: "absent" });
      assert.deepEqual(await port.ensurePresent(vip), { ok: true, value: "changed" });
      assert.deepEqual(await port.ensurePresent(vip), { ok: true, value: "already" });
      assert.deepEqual(port.observe(vip), { kind: "present", device: "repl" });
      other("ping", "-c", "1", "-w", "2", "10.10.10.3");
      assert.deepEqual(await port.ensureAbsent(vip), { ok: true, value: "changed" });
      assert.deepEqual(await port.ensureAbsent(vip), { ok: true, value: "already" });
      assert.deepEqual(port.observe(vip), { kind: "absent" });
      assert.deepEqual(localRoutes(), [], "a route that stays would make this host answer for the address");
      assert.match(ip("addr", "show", "dev", "repl"), /10\.10\.10\.1\/24/, "the host's own address stays");
    });

    it("is taken away when the configuration names another one, and stays when it does not", async () => {
      await port.ensurePresent(vip);
      const later = createVip(exec);
      assert.deepEqual(await later.removeOther(vip), { ok: true, value: "already" });
      assert.deepEqual(later.observe(vip), { kind: "present", device: "repl" });
      const other5: VipSpec = { ...vip, address: "10.10.10.5" };
      assert.deepEqual(await later.removeOther(other5), { ok: true, value: "changed" });
      assert.deepEqual(later.observe(vip), { kind: "absent" });
      assert.deepEqual(localRoutes(), []);
      assert.deepEqual(await later.removeOther(other5), { ok: true, value: "already" });
    });

    it("is not the source of this host's own connections to it", async () => {
      await port.ensurePresent(vip);
      assert.equal(await sourceOf("10.10.10.3"), "10.10.10.1");
    });

    it("would be their source without our route", async () => {
      ip("addr", "add", "10.10.10.3/32", "dev", "repl");
      assert.equal(await sourceOf("10.10.10.3"), "10.10.10.3");
    });

    it("clears away the route of a removal that was done by hand", async () => {
      await port.ensurePresent(vip);
      ip("addr", "del", "10.10.10.3/32", "dev", "repl");
      assert.equal(
        localRoutes().length,
        1,
        "the kernel no longer leaves it: the removal of ours is not needed any more",
      );
      assert.deepEqual(await port.ensureAbsent(vip), { ok: true, value: "changed" });
    });

    it("comes back cleanly over such a leftover", async () => {
      await port.ensurePresent(vip);
      ip("addr", "del", "10.10.10.3/32", "dev", "repl");
      assert.deepEqual(await port.ensurePresent(vip), { ok: true, value: "changed" });
      assert.equal(await sourceOf("10.10.10.3"), "10.10.10.1");
    });

    it("reports an interface that does not exist", async () => {
      assert.deepEqual(port.observe({ ...vip, device: "gone" }), { kind: "no-interface", device: "gone" });
      const added = await port.ensurePresent({ ...vip, device: "gone" });
      assert.ok(!added.ok && added.error.kind === "unverified");
    });

    it("is found free, or in use with the other host's MAC address", async () => {
      assert.deepEqual(await port.conflict(vip), { ok: true, value: { kind: "free" } });
      other("ip", "addr", "add", "10.10.10.3/32", "dev", "repl");
      try {
        const mac = /ether (\S+)/.exec(other("ip", "link", "show", "repl"))?.[1];
        assert.deepEqual(await port.conflict(vip), { ok: true, value: { kind: "answered", mac } });
      } finally {
        other("ip", "addr", "del", "10.10.10.3/32", "dev", "repl");
      }
      const failed = await port.conflict({ ...vip, device: "gone" });
      assert.ok(!failed.ok, "silence on an interface that does not exist is not free");
    });

    it("announces itself: the other host's stale entry is corrected without a packet of its own", async () => {
      other("ip", "neigh", "replace", "10.10.10.3", "lladdr", "02:00:00:00:00:99", "dev", "repl", "nud", "stale");
      const mac = /ether (\S+)/.exec(ip("link", "show", "repl"))?.[1] ?? "";
      await port.ensurePresent(vip);
      port.announce(vip);
      for (let round = 0; round < 200; round++) {
        if (other("ip", "neigh", "show", "10.10.10.3").includes(mac)) return;
        await delay(10);
      }
      assert.fail(other("ip", "neigh", "show", "10.10.10.3"));
    });

    describe("with an IPv6 address", () => {
      const six: VipSpec = { address: "fd00::3", prefix: 128, device: "repl" };
      const macOf = (text: string): string => /ether (\S+)/.exec(text)?.[1] ?? "";
      before(async () => {
        ip("-6", "addr", "add", "fd00::1/64", "dev", "repl", "nodad");
        other("ip", "-6", "addr", "add", "fd00::2/64", "dev", "repl", "nodad");
        // The link-local addresses prove themselves unique first.
        for (let round = 0; round < 300 && ip("-6", "addr", "show", "dev", "repl").includes("tentative"); round++)
          await delay(10);
      });
      afterEach(async () => {
        assert.equal((await port.ensureAbsent(six)).ok, true);
        assert.doesNotMatch(ip("-6", "route", "show", "table", "local"), /fd00::3/);
      });

      it("comes at once and goes", async () => {
        assert.deepEqual(await port.ensurePresent(six), { ok: true, value: "changed" });
        assert.doesNotMatch(ip("-6", "addr", "show", "dev", "repl"), /fd00::3.*tentative/);
        other("ping", "-6", "-c", "1", "-w", "2", "fd00::3");
        assert.deepEqual(await port.ensureAbsent(six), { ok: true, value: "changed" });
        assert.deepEqual(port.observe(six), { kind: "absent" });
      });

      it("is not the source of this host's own connections to it", async () => {
        await port.ensurePresent(six);
        assert.equal(await sourceOf("fd00::3"), "fd00::1");
      });

      it("is seen, added and removed on a device whose cable is pulled", async () => {
        await port.ensurePresent(six);
        other("ip", "link", "set", "repl", "down");
        try {
          await delay(200);
          assert.deepEqual(port.observe(six), { kind: "present", device: "repl" });
          assert.deepEqual(await port.ensureAbsent(six), { ok: true, value: "changed" });
        } finally {
          other("ip", "link", "set", "repl", "up");
          other("ip", "-6", "addr", "replace", "fd00::2/64", "dev", "repl", "nodad");
        }
        for (
          let round = 0;
          round < 300 && other("ip", "-6", "addr", "show", "dev", "repl").includes("tentative");
          round++
        )
          await delay(10);
      });

      it("is found free, or in use with the other host's MAC address", async () => {
        assert.deepEqual(await port.conflict(six), { ok: true, value: { kind: "free" } });
        other("ip", "-6", "addr", "add", "fd00::3/128", "dev", "repl", "nodad");
        try {
          const mac = macOf(other("ip", "link", "show", "repl"));
          assert.deepEqual(await port.conflict(six), { ok: true, value: { kind: "answered", mac } });
        } finally {
          other("ip", "-6", "addr", "del", "fd00::3/128", "dev", "repl");
        }
        const failed = await port.conflict({ ...six, device: "gone" });
        assert.ok(!failed.ok, "silence on an interface that does not exist is not free");
      });

      it("announces itself: the other host's stale entry is corrected without a packet of its own", async () => {
        other("ip", "neigh", "replace", "fd00::3", "lladdr", "02:00:00:00:00:99", "dev", "repl", "nud", "stale");
        await port.ensurePresent(six);
        port.announce(six);
        const mac = macOf(ip("link", "show", "repl"));
        for (let round = 0; round < 300; round++) {
          if (other("ip", "-6", "neigh", "show", "fd00::3").includes(mac)) return;
          await delay(10);
        }
        assert.fail(other("ip", "-6", "neigh", "show", "fd00::3"));
      });

      it("is seen as a sign of life on the other host, and silence is seen too", async () => {
        const signs = createSignsOfLife(exec);
        try {
          const look = () => signs.look([{ address: "fd00::2", device: "repl" }], six);
          look();
          for (let round = 0; round < 400 && look().peer !== "answered"; round++) await delay(10);
          assert.equal(look().peer, "answered");
          for (let round = 0; round < 400 && look().vip !== "free"; round++) await delay(10);
          assert.equal(look().vip, "free");
        } finally {
          signs.stop();
        }
      });
    });
  });
}
