// The package as a host gets it: how large it is, and how long its programs take to start with the runtime in it.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildRpm, missingTools } from "../../rpm/build.ts";
import { must } from "../lab/run-command.ts";
import { median } from "./table.ts";

const STARTS = 15;
const STARTED = [
  ["ha-cfg", "--version"],
  ["iscsi-cfg", "--version"],
  ["ha-cfg", "--help"],
] as const;
/** As the package's own wrappers start them: a tool's second start finds it compiled. */
const NODE = ["/opt/tandem/bin/node", "--disable-warning=ExperimentalWarning"] as const;
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", NODE_COMPILE_CACHE: "/var/cache/tandem" };

export async function packageStart(progress: (text: string) => void): Promise<string> {
  const missing = missingTools();
  if (missing.length > 0) return `The package was not measured: install ${missing.join(", ")} and try again.`;
  const work = mkdtempSync(join(tmpdir(), "tandem-bench-"));
  try {
    const rpm = await buildRpm({ out: join(work, "out"), release: "1", quick: false, progress });
    const tree = join(work, "tree");
    await must("sh", ["-c", 'mkdir "$2" && cd "$2" && rpm2cpio "$1" | cpio -idm --quiet', "sh", rpm, tree]);
    const lines: string[] = [];
    for (const [tool, ...args] of STARTED) {
      const start = ["chroot", [tree, ...NODE, `/opt/tandem/lib/${tool}.mjs`, ...args], { env: ENVIRONMENT }] as const;
      await must(...start);
      const times: number[] = [];
      for (let i = 0; i < STARTS; i += 1) {
        const from = performance.now();
        await must(...start);
        times.push(performance.now() - from);
      }
      lines.push(`${[tool, ...args].join(" ").padEnd(32)}${median(times).toFixed(0).padStart(9)} ms`);
    }
    const megabytes = (statSync(rpm).size / 1e6).toFixed(1);
    return [`The package: ${megabytes} MB; start of its programs, medians of ${STARTS}`, ...lines].join("\n");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
