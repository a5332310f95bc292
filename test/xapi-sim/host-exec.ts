/**
 * Work done on one particular host: here directly, elsewhere over the link between xapis, with xapi's rules for a
 * host that is dead. Must never write the database.
 */
import { join } from "node:path";
import type { DomainSpec } from "./hypervisor.ts";
import { asRec, asText, asNumber, asTexts, fail, type Json, type Rec, sleep, toAnswer } from "./types.ts";
import { PLUGIN_MS, runPlugin } from "./plugins.ts";
import type { Xapi } from "./xapi.ts";

const specOf = (args: Rec): DomainSpec => ({
  vmUuid: asText(args["vmUuid"]),
  name: asText(args["name"]),
  args: asTexts(args["args"]),
  memoryBytes: asNumber(args["memoryBytes"]),
  vcpus: asNumber(args["vcpus"]),
});

const storageTarget = (args: Rec) => ({
  srUuid: asText(args["srUuid"]),
  srType: asText(args["srType"]),
  deviceConfig: asRec(args["deviceConfig"]),
});

/** Runs one piece of work on the host this xapi runs on. */
export const execHere = async (xapi: Xapi, op: string, args: Rec): Promise<Json> => {
  const { hypervisor, storage, power } = xapi.options;
  const vm = asText(args["vmUuid"]);
  switch (op) {
    case "ping":
      return xapi.options.hostUuid;
    case "domain.start": {
      const image = args["image"];
      const options = { paused: args["paused"] === true, ...(typeof image === "string" ? { image } : {}) };
      const domid = await hypervisor.start(specOf(args), options);
      xapi.bus.emit("domain", { vmUuid: vm, domid, state: options.paused ? "paused" : "running" });
      return domid;
    }
    case "domain.destroy":
      await hypervisor.destroy(vm);
      return "";
    case "domain.shutdown":
      return hypervisor.shutdown(vm, xapi.timings.shutdownMs);
    case "domain.pause":
      await hypervisor.pause(vm);
      return "";
    case "domain.unpause":
      await hypervisor.unpause(vm);
      return "";
    case "domain.save":
      return hypervisor.save(vm);
    case "storage.attach":
      await storage.attach(storageTarget(args));
      return "";
    case "storage.detach":
      await storage.detach(storageTarget(args));
      return "";
    case "storage.scan":
      await storage.scan(storageTarget(args));
      return "";
    case "storage.probe":
      return storage.probe(storageTarget(args));
    case "plugin":
      return runPlugin(
        join(xapi.options.paths.hooks, "plugins"),
        asText(args["plugin"]),
        asText(args["fn"]),
        asText(args["session"]),
        asRec(args["args"]),
      );
    case "power":
      power?.(args["kind"] === "reboot" ? "reboot" : "shutdown");
      return "";
    case "restart":
      xapi.lightFuse(asNumber(args["afterMs"]));
      return "";
    default:
      return fail("MESSAGE_METHOD_UNKNOWN", op);
  }
};

export const isLive = (xapi: Xapi, host: string): boolean => {
  const metrics = xapi.db.text("host", host, "metrics");
  return xapi.db.has("host_metrics", metrics) && xapi.db.get("host_metrics", metrics, "live") === true;
};

/**
 * Runs work on a host. A host known dead is HOST_OFFLINE at once; one thought alive is tried for `contactMs` before
 * CANNOT_CONTACT_HOST. Work that was already sent is not sent twice.
 */
export const execOn = async (xapi: Xapi, host: string, op: string, args: Rec): Promise<Json> => {
  if (host === xapi.here) return execHere(xapi, op, args);
  if (!isLive(xapi, host)) fail("HOST_OFFLINE", host);
  const address = xapi.db.text("host", host, "address");
  const deadline = performance.now() + xapi.timings.contactMs;
  for (;;) {
    const moreMs = op.startsWith("domain.") ? xapi.timings.shutdownMs : op === "plugin" ? PLUGIN_MS : 0;
    const timeoutMs = xapi.timings.contactMs + moreMs;
    const reply = await xapi.peers.call(address, "exec", { op, args }, { timeoutMs, signal: xapi.life.signal });
    if (reply.kind === "ok") return reply.value;
    if (reply.kind === "failure") return fail(reply.error[0] ?? "INTERNAL_ERROR", ...reply.error.slice(1));
    if (reply.sent || performance.now() >= deadline || xapi.life.signal.aborted)
      return fail("CANNOT_CONTACT_HOST", host);
    if (!isLive(xapi, host)) fail("HOST_OFFLINE", host);
    await sleep(Math.min(xapi.timings.probeMs, Math.max(0, deadline - performance.now())));
  }
};

/** Whether a host answers right now. Not an answer about its flag. */
export const answersNow = async (xapi: Xapi, host: string): Promise<boolean> => {
  if (host === xapi.here) return true;
  const address = xapi.db.text("host", host, "address");
  const { probeMs: timeoutMs } = xapi.timings;
  const reply = await xapi.peers.call(address, "exec", { op: "ping", args: {} }, { timeoutMs });
  return reply.kind === "ok" || (reply.kind === "failure" && toAnswer(reply).kind === "failure");
};
