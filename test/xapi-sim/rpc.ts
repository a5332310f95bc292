/** One HTTP body to a call and an answer to one HTTP body, in JSON-RPC v1, v2 and XML-RPC. Runs no method. */
import { isRec, type Answer, type Json } from "./types.ts";
import { parseXmlCall, xmlBare, xmlFailure, xmlSuccess } from "./xml.ts";

export interface Call {
  readonly method: string;
  readonly params: Json[];
  readonly encoding: "json1" | "json2" | "xml";
  readonly id: Json;
}

/**
 * How a failure is dressed: "normal" by the server that ran it, "forwarded" when a supporter passes on what the
 * master said, "gate" when the server refuses everything but the emergency calls.
 */
export type AnswerStyle = "normal" | "forwarded" | "gate";

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const CACHE = { "cache-control": "no-cache, no-store" };
const CORS = { "access-control-allow-origin": "*", "access-control-allow-headers": "X-Requested-With" };

const APOLOGY =
  "An unexpected error occurred; please wait a while and try again. If the problem persists, please contact your support representative.";

/** The page xapi answers to a request it cannot read. */
export const serverError = (detail: string): HttpReply => {
  const safe = detail
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;")
    .replaceAll("<", "&lt;");
  const page = `<html><body><h1>HTTP 500 internal server error</h1>${APOLOGY}<h1> Additional information </h1>${safe}</body></html>`;
  return { status: 500, headers: { "content-type": "text/html", connection: "close", ...CACHE }, body: page };
};

/** The call in the body, or the page that refuses it. */
export const decodeCall = (path: string, body: string): Call | HttpReply => {
  if (!path.startsWith("/jsonrpc")) {
    try {
      return { ...parseXmlCall(body), encoding: "xml", id: null };
    } catch (error) {
      return serverError(`Xmlm.Error(1:1, "${error instanceof Error ? error.message : String(error)}")`);
    }
  }
  let request: unknown;
  try {
    request = JSON.parse(body);
  } catch (error) {
    return serverError(`Yojson.Json_error("${error instanceof Error ? error.message : String(error)}")`);
  }
  const malformed = (field: string): HttpReply =>
    serverError(`Jsonrpc.Malformed_method_request("Invalid field '${field}' in request body")`);
  if (!isRec(request)) return serverError('Jsonrpc.Malformed_method_request("Invalid request body")');
  const { id, method, params } = request;
  if (typeof id !== "string" && typeof id !== "number") return malformed("id");
  if (typeof method !== "string") return malformed("method");
  if (!Array.isArray(params)) return malformed("params");
  return { method, params, id, encoding: request["jsonrpc"] === "2.0" ? "json2" : "json1" };
};

/** The emergency gate of XCP-ng 8.3 (26.1) answers in the v2 envelope, that of 8.2 and 24.13 in the v1 one. */
export type GateEnvelope = "v1" | "v2";

const encodeJson = (call: Call, answer: Answer, style: AnswerStyle, gate: GateEnvelope): Json => {
  if (answer.kind === "failure" && style === "gate") {
    return gate === "v1"
      ? { result: null, error: answer.error, id: 0 }
      : { jsonrpc: "2.0", error: answer.error, id: 0 };
  }
  if (call.encoding === "json1") {
    return answer.kind === "ok"
      ? { result: answer.value, error: null, id: call.id }
      : { result: null, error: answer.error, id: call.id };
  }
  if (answer.kind === "ok") return { jsonrpc: "2.0", result: answer.value, id: call.id };
  const [message = "INTERNAL_ERROR", ...data] = answer.error;
  const error = style === "forwarded" ? answer.error : { code: 1, message, data };
  return { jsonrpc: "2.0", error, id: call.id };
};

export const encodeAnswer = (call: Call, answer: Answer, style: AnswerStyle, gate: GateEnvelope): HttpReply => {
  const cors = style === "gate" && answer.kind === "failure" ? {} : CORS;
  if (call.encoding === "xml") {
    const wrap = call.method === "system.listMethods" ? xmlBare : xmlSuccess;
    const body = answer.kind === "ok" ? wrap(answer.value) : xmlFailure(answer.error);
    return { status: 200, headers: { ...CACHE, "content-type": "text/xml", ...cors }, body };
  }
  const body = JSON.stringify(encodeJson(call, answer, style, gate));
  return { status: 200, headers: { ...CACHE, "content-type": "application/json", ...cors }, body };
};
