// One fault never takes both hosts down (V14): read from what happened to the nodes' power.

import type { LabEvent } from "./lab.ts";

/** Power-offs that the scenario ordered itself. */
const ORDERED = ["power loss", "shutdown", "the lab ends"];

/** The sentence that says so when both nodes were off at once and not both by the scenario's own order. */
export function bothDown(events: readonly LabEvent[]): string | undefined {
  const off = new Map<string, string>();
  for (const { node, event, detail } of events) {
    if (event === "power.on") off.delete(node);
    // "power.lost": its kernel ended by itself, after a panic or a reset of its own.
    if (event === "power.off" || event === "power.lost") off.set(node, detail);
    const why = [...off].map(([name, text]) => `${name} (${text})`);
    if (off.size === 2 && [...off.values()].some((text) => !ORDERED.includes(text)))
      return `both hosts were down: ${why.join(", ")}`;
  }
  return undefined;
}
