// Opens one connection to xapi: unix socket, plain TCP, or TLS with a pinned certificate. The certificate is checked
// before the socket is handed out, because the first request may carry the pool secret.

import net from "node:net";
// Also on a master, which speaks no TLS to itself: one that hands its role over would load it in the middle of that.
import tls from "node:tls";
import type { XapiEndpoint } from "./port.ts";

/** Rejects when the connection fails, when `signal` aborts, or when the certificate is not the expected one. */
export function connectXapi(
  endpoint: XapiEndpoint,
  signal: AbortSignal,
  onUnpinned?: (host: string, fingerprint: string) => void,
): Promise<net.Socket> {
  const socket = open(endpoint);
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      socket.destroy();
      reject(cause instanceof Error ? cause : new Error("the connection failed"));
    };
    const abort = (): void => fail(signal.reason);
    const ready = (): void => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
      socket.off("close", closed);
      // From here on the HTTP request reports errors; one that comes between must not end the program.
      socket.on("error", () => socket.destroy());
      if (endpoint.kind !== "https") return resolve(socket);
      const found = socket instanceof tls.TLSSocket ? socket.getPeerCertificate().fingerprint256 : undefined;
      const refusal = pinRefusal(endpoint.host, endpoint.fingerprint, found);
      if (refusal !== null) return fail(new Error(refusal));
      if (endpoint.fingerprint === null && found !== undefined) onUnpinned?.(endpoint.host, found);
      resolve(socket);
    };
    const closed = (): void => fail(new Error("the connection was closed during its set-up"));
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) return abort();
    socket.once("error", fail);
    socket.once("close", closed);
    socket.once(endpoint.kind === "https" ? "secureConnect" : "connect", ready);
  });
}

function open(endpoint: XapiEndpoint): net.Socket {
  switch (endpoint.kind) {
    case "unix":
      return net.connect({ path: endpoint.path });
    case "http":
      return net.connect({ host: endpoint.host, port: endpoint.port });
    case "https":
      // Pool members have self-signed certificates: the pin is the check, not an authority.
      return tls.connect({ host: endpoint.host, port: endpoint.port, rejectUnauthorized: false });
  }
}

/** Why this certificate is not accepted, or null. Colons and case of a fingerprint do not matter. */
export function pinRefusal(host: string, pinned: string | null, found: string | undefined): string | null {
  if (found === undefined) return `Cannot trust ${host}: found no certificate, expected one`;
  if (pinned === null || plain(pinned) === plain(found)) return null;
  return (
    `Cannot trust ${host}: found certificate ${found}, expected ${pinned}. ` +
    "If that host got a new certificate, `xe-toolstack-restart` there writes it into the pool database; if not, somebody else answers at its address"
  );
}

const plain = (fingerprint: string): string => fingerprint.replaceAll(":", "").toLowerCase();
