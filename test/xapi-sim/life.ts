/** The start of one xapi process, as master or as supporter, and the clocks it runs until it ends. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { noteCertificate, ownFingerprint } from "./certificates.ts";
import { followDomains, resyncHere } from "./domains.ts";
import { isLive } from "./host-exec.ts";
import { createMessage } from "./messages.ts";
import { setLive } from "./methods-host.ts";
import { forgetAttachments, plugAllOf } from "./methods-storage.ts";
import { writeRole } from "./pool-conf.ts";
import { flush, keepFlushed, pushTo } from "./replication.ts";
import { COMPLETED_KEPT_MS } from "./tasks.ts";
import { asText, sleep } from "./types.ts";
import type { Xapi } from "./xapi.ts";

/** A hello to a powered-off master must not wait for the kernel's long connect. */
const HELLO_MS = 20_000;

/** The life of the master each supporter last said hello to. */
const greeted = new WeakMap<Xapi, string>();

const touchFile = (path: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "");
};

/**
 * The only repair of a split pool xapi has: at its start a master asks the other hosts; if one is master it steps
 * back. A host that does not answer is passed over.
 */
const findOtherMaster = async (xapi: Xapi): Promise<string | undefined> => {
  for (const host of xapi.db.refs("host").filter((ref) => ref !== xapi.here)) {
    const address = xapi.db.text("host", host, "address");
    const reply = await xapi.peers.call(address, "is_slave", {}, { timeoutMs: xapi.timings.probeMs });
    if (reply.kind === "ok" && reply.value === false) return address;
  }
  return undefined;
};

/** Supporters not heard for long are no longer live; finished tasks go after a while. */
const collectGarbage = (xapi: Xapi): void => {
  const now = performance.now();
  for (const host of xapi.db.refs("host")) {
    if (host === xapi.here || !isLive(xapi, host)) continue;
    if (now - (xapi.lastHeard.get(host) ?? 0) >= xapi.timings.assumedDeadMs) setLive(xapi, host, false);
  }
  for (const task of xapi.db.refs("task")) {
    const finished = asText(xapi.db.get("task", task, "finished"));
    const iso = finished.replace(/^(\d{4})(\d\d)(\d\d)T/, "$1-$2-$3T");
    const isDone = xapi.db.text("task", task, "status") !== "pending";
    if (isDone && Date.now() - Date.parse(iso) > COMPLETED_KEPT_MS) xapi.db.destroy("task", task);
  }
};

const pushToAll = async (xapi: Xapi): Promise<void> => {
  for (const host of xapi.db.refs("host")) if (host !== xapi.here && isLive(xapi, host)) await pushTo(xapi, host);
};

const plugAll = async (xapi: Xapi): Promise<void> => {
  if (!xapi.isMaster) {
    await xapi.askMaster("plug_all", { host: xapi.options.hostUuid }, xapi.life.signal, true);
    return;
  }
  await plugAllOf(xapi, xapi.here);
};

/** A host enables itself a while after it is ready; the second cookie tells that storage is done too. */
const finishStart = async (xapi: Xapi): Promise<void> => {
  await plugAll(xapi);
  await sleep(xapi.timings.enableMs);
  if (xapi.life.signal.aborted) return;
  xapi.canEnable = true;
  if (xapi.isMaster) xapi.db.set("host", xapi.here, { enabled: true });
  else await xapi.askMaster("enable", { host: xapi.options.hostUuid }, xapi.life.signal, true);
  await sleep(xapi.timings.initCompleteMs);
  if (!xapi.life.signal.aborted) touchFile(xapi.options.paths.initCompleteCookie);
};

const startMaster = async (xapi: Xapi): Promise<void> => {
  await sleep(xapi.timings.bootMs);
  const { db } = xapi;
  const [pool] = db.refs("pool");
  if (pool === undefined || db.byUuid("host", xapi.options.hostUuid) === undefined) {
    throw new Error(`Cannot start as master: found no pool with host ${xapi.options.hostUuid} in the database`);
  }
  const other = await findOtherMaster(xapi);
  if (other !== undefined) {
    xapi.log(`another master answers at ${other}: stepping back`);
    writeRole(xapi.options.paths.poolConf, { kind: "supporter", masterAddress: other });
    await xapi.close("restart");
    return;
  }
  if (xapi.life.signal.aborted) return;
  keepFlushed(xapi);
  const isNewMaster = db.text("pool", pool, "master") !== xapi.here;
  db.set("pool", pool, { master: xapi.here });
  setLive(xapi, xapi.here, true);
  noteCertificate(xapi, xapi.here, ownFingerprint(xapi));
  forgetAttachments(xapi, xapi.here);
  if (isNewMaster) createMessage(xapi, "POOL_MASTER_TRANSITION", 4, "Host", xapi.options.hostUuid, "");
  await resyncHere(xapi);
  await followDomains(xapi);
  flush(xapi);
  xapi.phase = { kind: "ready" };
  touchFile(xapi.options.paths.startupCookie);
  xapi.every(xapi.timings.gcPassMs, () => collectGarbage(xapi));
  xapi.every(xapi.timings.dbPushMs, () => pushToAll(xapi));
  await finishStart(xapi);
};

/** What the master's refusal means for a supporter; undefined when the master was not reached or is not yet up. */
const sayHello = async (xapi: Xapi, isFresh: boolean): Promise<"ok" | "unreachable" | readonly string[]> => {
  const args = { host: xapi.options.hostUuid, isFresh, fingerprint: ownFingerprint(xapi) };
  const reply = await xapi.peers.call(xapi.masterAddress, "hello", args, {
    timeoutMs: HELLO_MS,
    signal: xapi.life.signal,
  });
  if (reply.kind === "ok") {
    greeted.set(xapi, asText(reply.value));
    return "ok";
  }
  if (reply.kind === "unreachable" || reply.error[0] === "HOST_STILL_BOOTING") return "unreachable";
  return reply.error;
};

/** "connecting" (hangs) while the master is silent, emergency mode while it refuses, ready once it said yes. */
const reachMaster = async (xapi: Xapi): Promise<void> => {
  for (;;) {
    const outcome = await sayHello(xapi, true);
    if (xapi.life.signal.aborted || outcome === "ok") return;
    const refused = outcome !== "unreachable";
    xapi.phase = refused ? { kind: "emergency", error: [...outcome] } : { kind: "connecting" };
    const permanent = refused && outcome[0] !== "HOST_MASTER_CANNOT_TALK_BACK";
    await sleep(permanent ? xapi.timings.helloRefusedRetryMs : xapi.timings.helloRetryMs);
    if (xapi.life.signal.aborted) return;
  }
};

/** A master that restarted has forgotten this host: hello again, and enable again. The VMs go on. */
const rejoin = async (xapi: Xapi): Promise<void> => {
  while (!xapi.life.signal.aborted) {
    if ((await sayHello(xapi, false)) === "ok") break;
    await sleep(xapi.timings.helloRetryMs);
  }
  await sleep(xapi.timings.enableMs);
  if (!xapi.life.signal.aborted) {
    await xapi.askMaster("enable", { host: xapi.options.hostUuid }, xapi.life.signal, true);
  }
};

/** Holds the database link; its end is the first sign of a master that restarts. */
const holdLink = async (xapi: Xapi): Promise<void> => {
  while (!xapi.life.signal.aborted) {
    const before = greeted.get(xapi);
    await xapi.peers.call(xapi.masterAddress, "link", { host: xapi.options.hostUuid }, { signal: xapi.life.signal });
    if (xapi.life.signal.aborted) return;
    await sleep(Math.min(1000, xapi.timings.helloRetryMs));
    if (greeted.get(xapi) === before) await rejoin(xapi);
  }
};

/** The heartbeat also finds a master that lost its power and came back: no link ended then. */
const tickle = async (xapi: Xapi): Promise<void> => {
  const args = { host: xapi.options.hostUuid };
  const timeoutMs = xapi.timings.tickleMs;
  const reply = await xapi.peers.call(xapi.masterAddress, "tickle", args, { timeoutMs, signal: xapi.life.signal });
  if (reply.kind === "failure") xapi.log(`the master refused the heartbeat: ${reply.error.join(" ")}`);
  if (reply.kind === "ok" && reply.value !== greeted.get(xapi)) await rejoin(xapi);
};

const startSupporter = async (xapi: Xapi): Promise<void> => {
  await sleep(xapi.timings.bootMs);
  xapi.phase = { kind: "connecting" };
  touchFile(xapi.options.paths.startupCookie);
  await reachMaster(xapi);
  if (xapi.life.signal.aborted) return;
  await resyncHere(xapi);
  await followDomains(xapi);
  xapi.phase = { kind: "ready" };
  xapi.every(xapi.timings.tickleMs, () => tickle(xapi));
  holdLink(xapi).catch((error: unknown) => xapi.log(`the link to the master failed: ${String(error)}`));
  await finishStart(xapi);
};

/** Opens the sockets and starts; resolves once the sockets answer. The rest goes on beside the caller. */
export const startLife = async (xapi: Xapi): Promise<void> => {
  rmSync(xapi.options.paths.startupCookie, { force: true });
  rmSync(xapi.options.paths.initCompleteCookie, { force: true });
  await xapi.open();
  const start = xapi.isMaster ? startMaster : startSupporter;
  start(xapi).catch((error: unknown) => {
    if (!xapi.life.signal.aborted)
      xapi.log(`xapi start failed: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
  });
};
