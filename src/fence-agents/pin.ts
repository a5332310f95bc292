// Pins: the SHA-256 of a device's ssh host key or TLS certificate. The password is sent to no device that does not show one
// of them; there is no trust on first use, because the first use may be the day of the failure. Pure.

import { createHash } from "node:crypto";
import { err, ok, type Result } from "../util/result.ts";

/** `SHA256:` and base64, as `ssh-keygen -l` prints it. */
export const fingerprint = (bytes: Uint8Array): string =>
  `SHA256:${createHash("sha256").update(bytes).digest("base64").replaceAll("=", "")}`;

/** `SHA256:<base64>` or the hex pairs of `openssl x509 -fingerprint -sha256`; several are separated by `|`. */
export function parsePins(text: string | undefined): Result<readonly string[], string> {
  if (text === undefined) return ok([]);
  const pins: string[] = [];
  for (const one of text.split("|")) {
    const hex = one.replaceAll(":", "").toLowerCase();
    const base64 = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(one)?.[1];
    if (base64 !== undefined) pins.push(`SHA256:${base64}`);
    else if (/^[0-9a-f]{64}$/.test(hex))
      pins.push(`SHA256:${Buffer.from(hex, "hex").toString("base64").replaceAll("=", "")}`);
    else return err(`found pin=${one}, expected SHA256:<base64> or 32 hex pairs`);
  }
  return ok(pins);
}

/** Null: the device is the pinned one. Else why not, and what to do. */
export function pinRefusal(pins: readonly string[], shown: string, what: string): string | null {
  if (pins.includes(shown)) return null;
  if (pins.length === 0)
    return `its ${what} is not pinned: it shows ${shown}; check that on the device, then add ,pin=${shown} to its line in the hosts file`;
  return `it shows the ${what} ${shown}, expected ${pins.join(" or ")}: another device answers, or its ${what} was renewed; nothing was sent to it`;
}
