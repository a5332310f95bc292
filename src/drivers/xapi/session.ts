// Logs in to xapi, on the local socket or at a peer, and gives sessions. It must never log in again inside a session:
// whether a call may be repeated is known only to the one who made it.

import { readFile } from "node:fs/promises";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { createXapiClient, type XapiClientOptions } from "./client.ts";
import type { XapiCaller, XapiEndpoint, XapiError, XapiGate, XapiSession, XapiValue } from "./port.ts";

export interface XapiGateOptions {
  /** /var/lib/xcp/xapi on a host. */
  readonly socketPath: string;
  /** /etc/xensource/ptoken: the pool secret, its content verbatim. Read at every login, so a rotation needs no restart. */
  readonly secretPath: string;
  /** Shown by xapi beside the session; sessions of one originator are limited to 500 (xapi.md 1.5). */
  readonly originator: string;
  readonly peerPort?: number;
  /**
   * SHA-256 fingerprint of the certificate at this address; null: not known, and then nothing is sent there. Left out
   * (tests of what comes after it), any certificate is accepted and reported through `onUnpinned`.
   */
  readonly pinOf?: (address: string) => string | null;
  readonly onUnpinned?: XapiClientOptions["onUnpinned"];
  readonly onCall?: XapiClientOptions["onCall"];
}

/**
 * The gate of this host. Local sessions have connections of their own: calls that hang because the master is dead must
 * not stand in the way of the emergency calls.
 */
export function createXapiGate(options: XapiGateOptions): XapiGate {
  const local: XapiEndpoint = { kind: "unix", path: options.socketPath };
  const poolClient = createXapiClient(local, clientOptions(options));
  const localClient = createXapiClient(local, clientOptions(options));

  return {
    openPool(deadlineMs, signal) {
      // xapi checks no password on its unix socket: the directory is root's.
      const params = ["root", "", "1.0", options.originator];
      return login(poolClient, "pool", "session.login_with_password", params, deadlineMs, signal);
    },
    openLocal(deadlineMs, signal) {
      const method = "session.slave_local_login_with_password";
      return login(localClient, "local", method, ["root", ""], deadlineMs, signal);
    },
    async openPeerLocal(address, deadlineMs, signal) {
      const method = "session.slave_local_login";
      const secret = await readSecret(options.secretPath, method);
      if (!secret.ok) return secret;
      const unknown = noPin(options, address, method);
      return unknown ?? login(peerClient(options, address), "local", method, [secret.value], deadlineMs, signal);
    },
  };
}

/** The session is unknown to the xapi that answered: it was not executed; a new login is needed. */
export function isSessionInvalid(error: XapiError): boolean {
  return error.kind === "api" && error.code === "SESSION_INVALID";
}

/** The pool secret goes to nobody whose certificate is not known from the pool's own database. */
function noPin(options: XapiGateOptions, address: string, call: string): Result<never, XapiError> | null {
  if (options.pinOf === undefined || options.pinOf(address) !== null) return null;
  const reason =
    `Cannot trust ${address}: found no certificate of it in the pool database, expected one; ` +
    "compare `xe certificate-list`; `xe-toolstack-restart` on that host writes its certificate there";
  return err({ kind: "transport", call, reason });
}

function peerClient(options: XapiGateOptions, address: string): XapiCaller {
  const fingerprint = options.pinOf?.(address) ?? null;
  const endpoint: XapiEndpoint = { kind: "https", host: address, port: options.peerPort ?? 443, fingerprint };
  return createXapiClient(endpoint, clientOptions(options));
}

const clientOptions = ({ onUnpinned, onCall }: XapiGateOptions): XapiClientOptions => ({
  ...(onUnpinned === undefined ? {} : { onUnpinned }),
  ...(onCall === undefined ? {} : { onCall }),
});

/** Logs in with `method` and wraps the answer; exported for endpoints that are not this host's own. */
export async function login(
  caller: XapiCaller,
  scope: XapiSession["scope"],
  method: string,
  params: readonly XapiValue[],
  deadlineMs: Millis,
  signal?: AbortSignal,
): Promise<Result<XapiSession, XapiError>> {
  const answer = await caller.call(method, params, deadlineMs, signal);
  if (!answer.ok) return answer;
  const ref = answer.value;
  if (typeof ref !== "string" || !ref.startsWith("OpaqueRef:")) {
    return err({ kind: "malformed", call: method, sample: JSON.stringify(ref).slice(0, 80) });
  }
  return ok({
    scope,
    call: (name, rest, callDeadlineMs, callSignal) => caller.call(name, [ref, ...rest], callDeadlineMs, callSignal),
    async logout(logoutDeadlineMs) {
      await caller.call(scope === "pool" ? "session.logout" : "session.local_logout", [ref], logoutDeadlineMs);
    },
  });
}

async function readSecret(path: string, call: string): Promise<Result<string, XapiError>> {
  try {
    return ok(await readFile(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err({ kind: "transport", call, reason: `Cannot read the pool secret: ${reason}` });
  }
}
