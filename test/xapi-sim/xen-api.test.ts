import assert from "node:assert/strict";
import { test } from "node:test";
import { refFor } from "./db.ts";
import { eventually, HOSTS, type Pair, PASSWORD, startPair, VM_UUIDS } from "./pair.ts";

/** The part of the npm package's client these tests use; it ships no types. */
interface XenApiClient {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  call(method: string, ...args: unknown[]): Promise<unknown>;
  callAsync(method: string, ...args: unknown[]): Promise<unknown>;
  objects: { all: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  objectsFetched: Promise<void>;
  readonly pool: { readonly $master: { readonly address: string } } | undefined;
}

const open = async (pair: Pair, hostIndex: 0 | 1, transport?: string): Promise<XenApiClient> => {
  const name = "xen-api";
  const { createClient } = (await import(name)) as { createClient: (options: unknown) => XenApiClient };
  const client = createClient({
    url: `http://${HOSTS[hostIndex].address}:${pair.httpPort}`,
    auth: { user: "root", password: PASSWORD },
    allowUnauthorized: true,
    debounce: 20,
    ...(transport === undefined ? {} : { transport }),
  });
  await client.connect();
  return client;
};

const VM1 = refFor("VM", VM_UUIDS[0]);

for (const transport of ["json-rpc", "xml-rpc"]) {
  test(`xen-api over ${transport} logs in, fills its cache, starts a VM and sees it run by its events`, async () => {
    const pair = await startPair();
    const client = await open(pair, 0, transport);
    try {
      await client.objectsFetched;
      const all = (): Readonly<Record<string, unknown>>[] => Object.values(client.objects.all);
      await eventually(
        "the cache holds the VMs",
        () => all().filter((object) => object["$type"] === "VM").length === 4,
      );
      assert.equal(client.pool?.$master.address, HOSTS[0].address);
      const state = (): unknown => all().find((object) => object["uuid"] === VM_UUIDS[0])?.["power_state"];
      assert.equal(state(), "Halted");
      await client.callAsync("VM.start", VM1, false, false);
      await eventually("the cache says Running", () => state() === "Running");
      pair.hosts[1].hypervisor.exitByItself(VM_UUIDS[0]);
      await eventually("the cache says Halted", () => state() === "Halted");
      await assert.rejects(client.callAsync("VM.unpause", VM1), /VM_BAD_POWER_STATE/);
    } finally {
      await client.disconnect();
      await pair.close();
    }
  });
}

test("xen-api given the supporter's address is sent to the master", async () => {
  const pair = await startPair();
  const client = await open(pair, 1);
  try {
    await client.objectsFetched;
    assert.equal(await client.call("VM.get_power_state", VM1), "Halted");
  } finally {
    await client.disconnect();
    await pair.close();
  }
});
