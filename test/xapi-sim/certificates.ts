/** The certificate records of a pool: every host notes the one it serves with when its xapi starts. Makes none itself. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { refFor } from "./db.ts";
import type { Xapi } from "./xapi.ts";

/** SHA-256 of what this host serves on 443, in xapi's writing; empty when it serves none. */
export const ownFingerprint = (xapi: Xapi): string => {
  if (xapi.options.httpsPort === undefined) return "";
  return new X509Certificate(readFileSync(xapi.options.paths.certificate)).fingerprint256;
};

/** On the master: one record of type "host" for each host, replaced when its certificate changed. */
export const noteCertificate = (xapi: Xapi, host: string, fingerprint: string): void => {
  if (fingerprint === "") return;
  const ref = refFor("Certificate", xapi.db.text("host", host, "uuid"));
  if (xapi.db.has("Certificate", ref)) {
    if (xapi.db.text("Certificate", ref, "fingerprint") !== fingerprint)
      xapi.db.set("Certificate", ref, { fingerprint });
    return;
  }
  xapi.db.create("Certificate", { uuid: ref.slice("OpaqueRef:".length), type: "host", host, fingerprint }, ref);
};
