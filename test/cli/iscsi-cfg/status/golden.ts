// Pictures as files: compared, or written anew with TANDEM_UPDATE_GOLDEN=1. Look at the difference before committing it.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

export function assertGolden(found: string, path: URL): void {
  if (process.env["TANDEM_UPDATE_GOLDEN"] === "1") {
    mkdirSync(new URL(".", path), { recursive: true });
    writeFileSync(path, found);
  }
  assert.equal(found, readFileSync(path, "utf8"));
}
