// What a table of times is worth nothing without.

import { cpus, release, totalmem } from "node:os";

export function machine(): string {
  const [first] = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} x ${first?.model ?? "unknown processor"}, ${memory} GiB; Linux ${release()}, Node ${process.versions.node}`;
}
