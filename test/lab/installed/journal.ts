// What a host's systemd did when the host went down, read after its next boot.

import type { Lab } from "../lab.ts";
import type { NodeName } from "../names.ts";

/** systemd.journal-fields(7), sd-messages.h: a unit begins to stop, and has stopped. */
const STOPPING = "de5b426a63be47a7b6ac3eaac82e2f6f";
const STOPPED = "9d1aaa27d60140bd96365438aad20286";

/** Throws unless `first` had stopped, in the boot before this one, when each of the others began to. */
export async function stoppedBefore(lab: Lab, node: NodeName, first: string, later: readonly string[]): Promise<void> {
  const words = `MESSAGE_ID=${STOPPING} MESSAGE_ID=${STOPPED}`;
  const said = await lab.must(node, `journalctl -b -1 -o json --no-pager ${words}`, 60_000);
  const lines = said
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Readonly<Record<string, string>>);
  const at = (unit: string, what: string): number => {
    const line = lines.findLast((one) => one["UNIT"] === unit && one["MESSAGE_ID"] === what);
    if (line === undefined)
      throw new Error(`${node}: its journal does not say when ${unit} stopped, only ${lines.length} other lines`);
    return Number(line["__MONOTONIC_TIMESTAMP"]);
  };
  const stopped = at(first, STOPPED);
  for (const unit of later) {
    const began = at(unit, STOPPING);
    const aheadMs = Math.round((began - stopped) / 1000);
    lab.note(node, "shutdown", `${unit} began to stop ${aheadMs} ms after ${first} had stopped`);
    if (began < stopped) throw new Error(`${node}: ${unit} began to stop ${-aheadMs} ms before ${first} had stopped`);
  }
}
