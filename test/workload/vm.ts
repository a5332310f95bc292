// One measuring VM: a process that writes numbered blocks to its region without pause and reports what was acknowledged.
// Must never report an acknowledgement it did not get, and never write past its region.
//
// SIGUSR2 = live migration away (finish the write, leave the state file, exit 0) · SIGTERM = clean shutdown (exit 0)
import { randomBytes } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { access, readFile, rename, writeFile } from "node:fs/promises";
import { BLOCK_BYTES, prepareBlock, slotOf, stampBlock, type Writer } from "./block.ts";
import { openDirectDevice, openIscsiDevice, type Device } from "./device.ts";
import type { InitiatorEvent } from "./initiator.ts";
import { ALIVE_EVERY_MS, STALL_LIMIT_MS, type Hello } from "./messages.ts";
import { missingSeqs, readRegion, slotsOf, type RegionReport } from "./region.ts";
import { createReporter, type Reporter } from "./reporter.ts";
import { parseVmArguments, type VmOptions } from "./vm-options.ts";

const WRITE_RETRY_MS = 50;
const REPORT_MISSING_AT_MOST = 256;
const SHUTDOWN_WAIT_MS = 5000;

/** Handed from one process of a VM to the next by live migration. */
interface MigrationState {
  readonly vm: string;
  readonly lineage: string;
  readonly generation: number;
  readonly lastSeq: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function readMigrationState(options: VmOptions, file: string): Promise<MigrationState> {
  const until = performance.now() + options.resumeWaitMs;
  for (;;) {
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere || performance.now() >= until) break;
    await sleep(5);
  }
  const state: Partial<MigrationState> = JSON.parse(await readFile(file, "utf8"));
  const { vm, lineage, generation, lastSeq } = state;
  if (vm !== options.vm || lineage === undefined || generation === undefined || lastSeq === undefined) {
    throw new Error(`Cannot resume from ${file}: found the state of VM "${vm ?? "?"}", expected ${options.vm}`);
  }
  return { vm, lineage, generation, lastSeq };
}

function openDevice(options: VmOptions, onEvent: (event: InitiatorEvent) => void): Device {
  const { storage } = options;
  if (storage.kind === "device")
    return openDirectDevice({ path: storage.path, readOnly: false, direct: storage.direct });
  const { iqn, kind: _kind, ...rest } = storage;
  return openIscsiDevice({ ...rest, targetIqn: iqn, onEvent });
}

/** Says a repeated error once with its number of times, not fifty times a second. */
function createErrorReport(reporter: Reporter): { note(what: string): void; flush(): void } {
  let last = "";
  let times = 0;
  const flush = (): void => {
    if (times > 0) reporter.send({ k: "error", what: last, times });
    times = 0;
  };
  return {
    note(what) {
      if (what !== last) {
        flush();
        last = what;
        reporter.send({ k: "error", what, times: 1 });
      } else times++;
    },
    flush,
  };
}

/** Waits for the disk, reads the whole region, tries again as long as the disk refuses. */
async function readRegionPatiently(
  options: VmOptions,
  device: Device,
  note: (what: string) => void,
): Promise<RegionReport> {
  const region = { vm: options.vm, startBytes: options.regionStartBytes, bytes: options.regionBytes };
  for (;;) {
    try {
      return await readRegion(device, region);
    } catch (error) {
      note(error instanceof Error ? error.message : String(error));
      await sleep(WRITE_RETRY_MS);
    }
  }
}

export async function runVm(options: VmOptions): Promise<void> {
  const resumed = options.resumeFrom === undefined ? undefined : await readMigrationState(options, options.resumeFrom);
  const writer: Writer = {
    vm: options.vm,
    node: options.node,
    incarnation: randomBytes(8).toString("hex"),
    lineage: resumed?.lineage ?? randomBytes(8).toString("hex"),
    generation: resumed ? resumed.generation + 1 : 0,
  };
  const hello: Hello = {
    ...writer,
    k: "hello",
    name: options.name,
    pid: process.pid,
    storage: options.storage.kind,
    startedMono: performance.now(),
    startedWall: Date.now(),
    ...(resumed ? { resumedAfter: resumed.lastSeq } : {}),
  };
  const reporter = createReporter({ ...options.collector, hello });
  const errors = createErrorReport(reporter);
  let seq = resumed?.lastSeq ?? 0;
  let lastAckAt = performance.now();
  let leaving: "migrated" | "stopped" | undefined;
  let isWriting = false;
  let hasLeft = false;

  const device = openDevice(options, (event) => {
    if (event.kind === "refused") errors.note(event.why);
    else if (event.kind === "lost") reporter.send({ k: "event", what: "lost", detail: event.why });
    else
      reporter.send({
        k: "event",
        what: "connected",
        detail: `after ${Math.round(event.gapMs)} ms, ${event.attempts} attempts`,
      });
  });
  const alive = setInterval(() => {
    const stalledMs = Math.round(performance.now() - lastAckAt);
    reporter.send(stalledMs > STALL_LIMIT_MS ? { k: "alive", stalledMs } : { k: "alive" });
  }, ALIVE_EVERY_MS);
  const errorTimer = setInterval(() => errors.flush(), 1000);

  async function leave(reason: "migrated" | "stopped"): Promise<void> {
    if (hasLeft) return;
    hasLeft = true;
    clearInterval(alive);
    clearInterval(errorTimer);
    errors.flush();
    reporter.send({ k: "bye", reason, lastSeq: seq, dropped: reporter.dropped() });
    await reporter.close(1000);
    if (reason === "migrated" && options.stateFile !== undefined) {
      const state: MigrationState = {
        vm: options.vm,
        lineage: writer.lineage,
        generation: writer.generation,
        lastSeq: seq,
      };
      await writeFile(`${options.stateFile}.new`, JSON.stringify(state));
      await rename(`${options.stateFile}.new`, options.stateFile);
    }
    await Promise.race([device.close(), sleep(200)]);
    process.exit(0);
  }

  const ask = (reason: "migrated" | "stopped"): void => {
    if (leaving !== undefined) return;
    leaving = reason;
    // A guest that shuts down does not wait for a dead disk for ever; one that migrates does, or it would lose its write.
    if (reason === "stopped" && isWriting) setTimeout(() => void leave("stopped"), SHUTDOWN_WAIT_MS);
    else if (!isWriting && reason === "stopped") void leave(reason);
  };
  process.on("SIGUSR2", () => ask("migrated"));
  process.on("SIGTERM", () => ask("stopped"));

  await device.open();
  if (!resumed) {
    const readBeganMono = performance.now();
    const report = await readRegionPatiently(options, device, (what) => errors.note(what));
    seq = report.highestSeq;
    reporter.send({
      k: "found",
      highestSeq: report.highestSeq,
      slots: report.slots,
      missing: missingSeqs(report).slice(0, REPORT_MISSING_AT_MOST),
      torn: report.torn.length,
      foreign: report.foreign.length,
      misplaced: report.misplaced.length,
      garbage: report.garbage.length,
      readBeganMono,
      readEndedMono: performance.now(),
    });
  }
  prepareBlock(device.writeBuffer, writer);
  const slots = slotsOf({ vm: options.vm, startBytes: options.regionStartBytes, bytes: options.regionBytes });
  const pauseMs = options.ratePerSecond === undefined ? 0 : 1000 / options.ratePerSecond;
  let offsetBytes = 0;

  function writeNext(): void {
    if (leaving !== undefined) return void leave(leaving);
    const slot = slotOf(seq + 1, slots);
    stampBlock(device.writeBuffer, seq + 1, slot, Date.now());
    offsetBytes = options.regionStartBytes + slot * BLOCK_BYTES;
    isWriting = true;
    device.write(offsetBytes, onWritten);
  }

  function onWritten(error: string | undefined): void {
    if (error !== undefined) {
      errors.note(error);
      setTimeout(() => device.write(offsetBytes, onWritten), WRITE_RETRY_MS);
      return;
    }
    isWriting = false;
    seq++;
    const now = performance.now();
    reporter.acknowledged(seq, now);
    if (now - lastAckAt > STALL_LIMIT_MS) reporter.send({ k: "stall", beginMono: lastAckAt, endMono: now, seq });
    lastAckAt = now;
    if (pauseMs > 0) setTimeout(writeNext, pauseMs);
    else writeNext();
  }

  lastAckAt = performance.now();
  writeNext();
}

if (import.meta.main) {
  // The optimising compiler costs 5 MiB and, at the start, CPU that the node's storage needs; it gains 10 µs a write.
  setFlagsFromString("--no-opt");
  runVm(parseVmArguments(process.argv.slice(2))).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  });
}
