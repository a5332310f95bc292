// Measures what one VM costs: ms and CPU µs per 4 KiB write, resident memory. By hand: node test/workload/measure.ts VM.mjs
// Must never be part of the test run: its figures depend on the machine.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createCollector } from "./collector.ts";
import { createTgt, findTgt, lun, targetIqn } from "./tgt-fixture.ts";

const CLOCK_TICK_US = 10_000;
const [program, storage = "iscsi", ...flags] = process.argv.slice(2);
const programs = await findTgt();
if (!program || typeof programs === "string")
  throw new Error(`Usage: measure.ts VM.mjs [iscsi|FILE] [NODE-FLAG …]; tgtd: ${typeof programs}`);

process.on("SIGTERM", () => process.exit(1));
process.on("SIGINT", () => process.exit(1));
const tgt = await createTgt(programs, 16 * 1_048_576);
await tgt.start();
const collector = createCollector();
const port = await collector.listen({ host: "127.0.0.1", port: 0 });
const vm = "aaaaaaaa-0000-4000-8000-000000000001";
const disk =
  storage === "iscsi"
    ? [
        "--portal",
        `127.0.0.1:${tgt.port}`,
        "--iqn",
        targetIqn,
        "--initiator-iqn",
        "iqn.2026-11.x:xcp1",
        "--lun",
        String(lun),
      ]
    : ["--device", storage];
const args = ["--vm", vm, "--name", "a", "--node", "xcp1", "--collector", `127.0.0.1:${port}`, ...disk];
const child = spawn(
  process.execPath,
  [...flags, program, ...args, "--region-start", "0", "--region-bytes", "4194304"],
  { stdio: "inherit" },
);

/** User and system time of a process, µs (proc(5), fields 14 and 15). */
const cpuUs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_US;
};
process.on("exit", () => child.kill("SIGKILL"));
if (!(await collector.waitForAcks(vm, 2000, 20_000)))
  throw new Error("Cannot measure: the VM wrote nothing within 20 s");
const pid = child.pid ?? 0;
const [count, cpu, at] = [collector.ackedCount(vm), cpuUs(pid), performance.now()];
await collector.waitForAcks(vm, 10_000, 30_000);
const writes = collector.ackedCount(vm) - count;
const status = readFileSync(`/proc/${pid}/status`, "utf8");
console.log(
  JSON.stringify({
    writes,
    msPerWrite: Number(((performance.now() - at) / writes).toFixed(3)),
    cpuUsPerWrite: Math.round((cpuUs(pid) - cpu) / writes),
    rssKiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]),
    peakKiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]),
    parts: (status.match(/Rss(Anon|File):\s+\d+/g) ?? []).join(" "),
  }),
);
child.kill("SIGKILL");
await collector.close();
await tgt.remove();
