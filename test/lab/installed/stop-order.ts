// In which order a host's systemd stopped its services when the host went down, by what they said on its console.

import { readFileSync } from "node:fs";
import type { Lab } from "../lab.ts";
import type { NodeName } from "../names.ts";
import { STOPS } from "./files.ts";

/** Throws unless tandemd had stopped when xapi and the network began to. */
export function stopOrder(lab: Lab, node: NodeName): void {
  const said = readFileSync(lab.nodes[node].console, "utf8");
  const at = (what: string): number => {
    const found = said.lastIndexOf(`lab: ${what}`);
    if (found === -1) throw new Error(`${node}: its console does not say that ${what}`);
    return found;
  };
  const stopped = at(STOPS.tandemd);
  for (const later of [STOPS.xapi, STOPS.network])
    if (at(later) < stopped) throw new Error(`${node}: ${later} before ${STOPS.tandemd}`);
  lab.note(node, "shutdown", `${STOPS.tandemd} before ${STOPS.xapi} and ${STOPS.network}`);
}
