/**
 * Calls between the xapis of a pool (what real ones do over the pool's own RPC). Accepted only with the pool secret.
 * Each ends in one of the operations the public calls are made of.
 */
import { existsSync } from "node:fs";
import { noteCertificate } from "./certificates.ts";
import type { Dump } from "./db.ts";
import { writeDump } from "./db.ts";
import { execute } from "./dispatch.ts";
import { applyChanges, resync, type DomainChange, type DomainReport } from "./domains.ts";
import { execHere } from "./host-exec.ts";
import { setLive } from "./methods-host.ts";
import { becomeMaster, resetMaster } from "./methods-pool.ts";
import { createSession } from "./methods-session.ts";
import { forgetAttachments, plugAllOf } from "./methods-storage.ts";
import { pushTo } from "./replication.ts";
import type { Request } from "./transport.ts";
import { type Answer, asRec, asText, fail, isRec, type Json, type Rec, toAnswer } from "./types.ts";
import type { Xapi } from "./xapi.ts";

/** Ops a xapi answers whatever its phase. */
const ALWAYS = new Set(["reset_master", "receive_db"]);
const MASTER_ONLY = new Set([
  "hello",
  "link",
  "tickle",
  "goodbye",
  "create_session",
  "check_session",
  "call",
  "forward",
  "domains",
]);

/** A supporter says it is there: the master tries to talk back, then counts it as live and not yet enabled. */
const hello = async (xapi: Xapi, uuid: string, isFresh: boolean, fingerprint: string): Promise<Json> => {
  const host = xapi.db.byUuid("host", uuid);
  if (host === undefined) return fail("HOST_UNKNOWN_TO_MASTER", uuid);
  const address = xapi.db.text("host", host, "address");
  if (!(await pushTo(xapi, host))) fail("HOST_MASTER_CANNOT_TALK_BACK", address);
  xapi.lastHeard.set(host, performance.now());
  setLive(xapi, host, true);
  xapi.db.set("host", host, { enabled: false });
  if (isFresh) forgetAttachments(xapi, host);
  noteCertificate(xapi, host, fingerprint);
  for (const task of xapi.db.refs("task")) {
    if (xapi.db.text("task", task, "status") === "pending" && xapi.db.text("task", task, "resident_on") === host) {
      xapi.db.set("task", task, { status: "cancelled" });
    }
  }
  return xapi.lifeId;
};

const hostOf = (xapi: Xapi, args: Rec): string => {
  const uuid = asText(args["host"]);
  return xapi.db.byUuid("host", uuid) ?? fail("HOST_UNKNOWN_TO_MASTER", uuid);
};

const run = async (xapi: Xapi, op: string, args: Rec, gone: AbortSignal): Promise<Json> => {
  if (MASTER_ONLY.has(op) && !xapi.isMaster) fail("HOST_IS_SLAVE", xapi.masterAddress);
  const params = Array.isArray(args["params"]) ? args["params"] : [];
  switch (op) {
    case "exec":
      return execHere(xapi, asText(args["op"]), asRec(args["args"]));
    case "is_slave":
      return !xapi.isMaster;
    case "forward":
      return execute(xapi, asText(args["method"]), params, { via: "unix", gone });
    case "call":
      return execute(xapi, asText(args["method"]), params, { via: "unix", gone, trusted: true });
    case "create_session":
      return createSession(xapi, asText(args["user"]), asText(args["originator"]));
    case "check_session":
      return xapi.sessions.has(asText(args["session"]));
    case "hello":
      return hello(xapi, asText(args["host"]), args["isFresh"] === true, asText(args["fingerprint"]));
    case "tickle": {
      const host = hostOf(xapi, args);
      xapi.lastHeard.set(host, performance.now());
      setLive(xapi, host, true);
      return xapi.lifeId;
    }
    case "link":
      // The supporter's database link: it has no answer, only an end when this xapi ends.
      return new Promise((resolve) => {
        gone.addEventListener("abort", () => resolve(""));
      });
    case "goodbye":
      setLive(xapi, hostOf(xapi, args), false);
      return "";
    case "enable": {
      xapi.db.set("host", hostOf(xapi, args), { enabled: true });
      return "";
    }
    case "plug_all": {
      const host = hostOf(xapi, args);
      await plugAllOf(xapi, host);
      return "";
    }
    case "resync":
      return resync(xapi, hostOf(xapi, args), (args["domains"] ?? []) as unknown as DomainReport[]);
    case "domains":
      applyChanges(xapi, hostOf(xapi, args), (args["changes"] ?? []) as unknown as DomainChange[]);
      return "";
    case "receive_db":
      if (xapi.isMaster) fail("INTERNAL_ERROR", "this host is a master: it takes no copy");
      xapi.db.load(args as unknown as Dump);
      writeDump(xapi.options.paths.stateDb, args as unknown as Dump);
      return "";
    case "reset_master":
      resetMaster(xapi, asText(args["address"]));
      return "";
    case "become_master":
      if (!existsSync(xapi.options.paths.stateDb))
        fail("INTERNAL_ERROR", "no copy of the database to become master with");
      becomeMaster(xapi);
      return "";
    default:
      return fail("MESSAGE_METHOD_UNKNOWN", op);
  }
};

export const runInternal = async (xapi: Xapi, request: Request): Promise<Answer> => {
  const op = request.path.slice("/internal/".length);
  try {
    if (request.secret !== xapi.poolSecret()) fail("SESSION_AUTHENTICATION_FAILED", "pool", "Pool credentials invalid");
    if (xapi.phase.kind === "booting" && !ALWAYS.has(op)) fail("HOST_STILL_BOOTING");
    const parsed: unknown = JSON.parse(request.body);
    return { kind: "ok", value: await run(xapi, op, isRec(parsed) ? parsed : {}, request.gone) };
  } catch (error) {
    return toAnswer(error);
  }
};
