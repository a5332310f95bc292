// Saves records with growing epochs until it is killed, and tells each one that was promised to be on the disk.
// argv: path of the state file, first epoch.

import { createFileStore } from "../../../src/drivers/store/file-store.ts";
import { sample } from "./samples.ts";

const [path = "", first = "0"] = process.argv.slice(2);
const store = createFileStore({ path });
for (let epoch = Number(first); ; epoch += 1) {
  process.stdout.write(`trying ${epoch}\n`);
  const saved = await store.save({ ...sample, epoch });
  if (!saved.ok) throw new Error(JSON.stringify(saved.error));
  process.stdout.write(`saved ${epoch}\n`);
}
