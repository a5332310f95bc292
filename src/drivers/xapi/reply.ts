// Reads the body of one JSON-RPC answer of xapi. Pure. It must never match on the id (the emergency gate answers
// id 0 whatever was sent) and never lose an error code because of the envelope it came in.

import { err, ok, type Result } from "../../util/result.ts";
import type { XapiError, XapiValue } from "./port.ts";

const SAMPLE_LENGTH = 160;

/**
 * The three error shapes of xapi (xapi.md 1.3, recorded from 24.13.0): an object `{code, message, data}`, a bare
 * array `[code, ...params]` for forwarded calls, and a v1 envelope with id 0 from the emergency gate.
 */
export function parseReply(call: string, status: number, body: string): Result<XapiValue, XapiError> {
  if (status !== 200) return malformed(call, `HTTP ${status}: ${withoutTags(body)}`);
  const parsed = parseTolerantJson(body);
  if (!isRecord(parsed)) return malformed(call, body);
  const error = parsed["error"];
  if (error !== undefined && error !== null) {
    const api = parseApiError(error);
    return api === null ? malformed(call, body) : err({ kind: "api", call, ...api });
  }
  const result = parsed["result"];
  return result === undefined ? malformed(call, body) : ok(result);
}

/** `[code, ...params]` or `{message, data}`; a task's error_info has the first form too. Null when it is neither. */
export function parseApiError(error: XapiValue): { readonly code: string; readonly params: readonly string[] } | null {
  if (typeof error === "string" && error !== "") return { code: error, params: [] };
  if (isList(error)) {
    const [code, ...params] = error;
    return typeof code === "string" && code !== "" ? { code, params: params.map(asText) } : null;
  }
  if (!isRecord(error)) return null;
  const code = error["message"];
  if (typeof code !== "string" || code === "") return null;
  const data = error["data"];
  if (data === undefined || data === null) return { code, params: [] };
  return { code, params: isList(data) ? data.map(asText) : [asText(data)] };
}

/** JSON, with the bare NaN and Infinity that xapi's printer emits for floats read as null. Undefined when it is not JSON. */
function parseTolerantJson(body: string): XapiValue | undefined {
  const plain = tryJson(body);
  if (plain !== undefined) return plain;
  const token = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;
  return tryJson(body.replace(token, (found) => (found.startsWith('"') ? found : "null")));
}

function tryJson(body: string): XapiValue | undefined {
  try {
    // JSON.parse yields exactly the shapes of XapiValue.
    return JSON.parse(body) as XapiValue;
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

export function isRecord(value: XapiValue | undefined): value is { readonly [key: string]: XapiValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: XapiValue | undefined): value is readonly XapiValue[] {
  return Array.isArray(value);
}

const asText = (value: XapiValue): string => (typeof value === "string" ? value : JSON.stringify(value));

const withoutTags = (body: string): string =>
  body
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim();

function malformed(call: string, body: string): Result<never, XapiError> {
  return err({ kind: "malformed", call, sample: body.slice(0, SAMPLE_LENGTH) });
}
