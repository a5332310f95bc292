/** Runs one call on this xapi: finds the method, checks parameters and session in xapi's order. No method lives here. */
import { findMethod } from "./registry.ts";
import { startTask } from "./tasks.ts";
import { fail, type Json } from "./types.ts";
import type { Xapi } from "./xapi.ts";

export interface CallContext {
  readonly via: "unix" | "tcp";
  readonly gone: AbortSignal;
  /** A call by another host with the pool secret: no session is needed. */
  readonly trusted?: boolean;
}

/** How xapi prints the wrong value in its complaint. */
const describe = (value: Json): string => {
  if (typeof value === "string") return `S(${value})`;
  if (typeof value === "number") return Number.isInteger(value) ? `I(${value})` : `F(${value})`;
  if (typeof value === "boolean") return `B(${value})`;
  return value === null ? "N" : JSON.stringify(value);
};

const complain = (expected: string, value: Json): never =>
  fail("INTERNAL_ERROR", `Failure("Expected ${expected}, got '${describe(value)}'")`);

/** The value in the wanted type. XML-RPC clients send ints as text, so text that is a number is one. */
const coerce = (type: string, value: Json): Json => {
  switch (type[0]) {
    case "b":
      return typeof value === "boolean" ? value : complain("bool", value);
    case "i":
      if (typeof value === "string" && /^-?\d+$/.test(value)) return Number(value);
      return typeof value === "number" ? value : complain("int64", value);
    case "f":
      if (typeof value === "string" && value !== "" && !Number.isNaN(Number(value))) return Number(value);
      return typeof value === "number" ? value : complain("float", value);
    case "[":
      return Array.isArray(value) ? value : complain("List", value);
    case "{":
    case "?":
      return typeof value === "object" && value !== null && !Array.isArray(value) ? value : complain("Dict", value);
    default:
      return typeof value === "string" ? value : complain("string", value);
  }
};

const checkSession = async (xapi: Xapi, session: string, context: CallContext): Promise<void> => {
  if (context.trusted === true || xapi.localSessions.has(session)) return;
  if (xapi.isMaster) {
    if (!xapi.sessions.has(session)) fail("SESSION_INVALID", session);
    return;
  }
  const known = await xapi.askMaster("check_session", { session }, context.gone, true);
  if (known.kind === "ok" && known.value === true) fail("HOST_IS_SLAVE", xapi.masterAddress);
  fail("SESSION_INVALID", session);
};

/** Throws XapiFailure for every refusal. On a supporter with a dead master it may never settle. */
export const execute = async (xapi: Xapi, name: string, params: Json[], context: CallContext): Promise<Json> => {
  if (name.startsWith("system.isAlive:")) return params[0] ?? "";
  const isAsync = name.startsWith("Async.");
  const plainName = isAsync ? name.slice("Async.".length) : name;
  const method = findMethod(plainName) ?? fail("MESSAGE_METHOD_UNKNOWN", name);
  if (isAsync && method.noAsync === true) fail("MESSAGE_METHOD_UNKNOWN", name);
  const given = method.session ? params.slice(1) : params;
  const least = method.params.length - (method.optional ?? 0);
  if (given.length < least || given.length > method.params.length || (method.session && params.length === 0)) {
    fail("MESSAGE_PARAMETER_COUNT_MISMATCH", plainName, String(method.params.length), String(given.length));
  }
  const args = given.map((value, index) => coerce(method.params[index] ?? "s", value));
  const sessionValue = method.session ? params[0] : "";
  const session = typeof sessionValue === "string" ? sessionValue : "";
  if (method.session) await checkSession(xapi, session, context);
  if (!xapi.isMaster && method.local !== true) {
    const repeatable = /\.get_\w+$/.test(plainName);
    const answer = await xapi.askMaster("call", { method: name, params }, context.gone, repeatable);
    if (answer.kind === "failure") return fail(answer.error[0] ?? "INTERNAL_ERROR", ...answer.error.slice(1));
    return answer.value;
  }
  if (isAsync) return startTask(xapi, name, (task) => method.run({ ...context, xapi, session, task }, args));
  return method.run({ ...context, xapi, session, task: undefined }, args);
};
