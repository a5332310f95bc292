// What the daemon that stops as agreed (A7) leaves for the next one in this boot: the other host holds still until that one is
// heard, so it needs neither hurry nor a lease before. Read once; a daemon that crashed leaves nothing.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** /run is empty after a boot. */
const EXCHANGE_NOTE = "/run/tandem/exchange";

/** Best effort: without the note the next daemon starts as after a crash, which is the safe side. */
export function leaveExchangeNote(path = EXCHANGE_NOTE): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, "", { mode: 0o600 });
  } catch {
    // No note then.
  }
}

/** Was there a note? It is gone afterwards; one that cannot be taken away does not count, since it would count twice. */
export function takeExchangeNote(path = EXCHANGE_NOTE): boolean {
  try {
    rmSync(path);
    return true;
  } catch {
    return false;
  }
}
