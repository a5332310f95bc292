// /etc/xensource-inventory: who this host is. Shell-like NAME='value' lines, read as data, never evaluated.

import { err, ok, type Result } from "../util/result.ts";
import { quote, type Problem } from "./problem.ts";
import { UUID_PATTERN } from "./value.ts";

export interface Inventory {
  /** INSTALLATION_UUID: XAPI's UUID of this host. */
  readonly hostId: string;
  readonly managementInterface: string | null;
}

export function parseInventory(text: string): Result<Inventory, readonly Problem[]> {
  const entries = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Z_]+)=(['"]?)(.*)\2\s*$/.exec(line.trim());
    if (match?.[1] !== undefined) entries.set(match[1], match[3] ?? "");
  }
  const hostId = (entries.get("INSTALLATION_UUID") ?? "").toLowerCase();
  if (!UUID_PATTERN.test(hostId)) {
    return err([
      {
        path: "INSTALLATION_UUID of /etc/xensource-inventory",
        line: null,
        severity: "error",
        found: hostId === "" ? "nothing" : quote(hostId),
        expected: "the UUID of this host",
        action: "compare with `xe host-list`; without it this host does not know who it is",
      },
    ]);
  }
  const device = entries.get("MANAGEMENT_INTERFACE") ?? "";
  return ok({ hostId, managementInterface: /^[A-Za-z0-9_.:@-]{1,15}$/.test(device) ? device : null });
}
