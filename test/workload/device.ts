// A disk as a measuring VM sees it, over the plain initiator or over a block device of the kernel.
// Must never acknowledge a write before the target or the kernel did.
import { constants, open as openFile, read as readFile, write as writeFile, close as closeFile } from "node:fs";
import { createInitiator, type InitiatorEvent } from "./initiator.ts";
import { describeOutcome, parseCapacity16, readCapacity16, testUnitReady, type ScsiOutcome } from "./scsi.ts";

/** `undefined` = acknowledged; else the sentence of what went wrong. */
export type WriteDone = (error: string | undefined) => void;

export interface Device {
  /** Where read() puts the bytes; page aligned. */
  readonly readBuffer: Buffer;
  /** What write() takes the block from: fill it, then write. */
  readonly writeBuffer: Buffer;
  /** Resolves when the disk answered for the first time; waits as long as that takes. */
  open(): Promise<void>;
  /** Throws an Error with a sentence when the disk refused. */
  read(offsetBytes: number, bytes: number): Promise<void>;
  /** Writes all of writeBuffer. One at a time. */
  write(offsetBytes: number, done: WriteDone): void;
  close(): Promise<void>;
}

const SECTOR_BYTES = 512;
const READ_BYTES = 61_440;
const RETRY_DELAY_MS = 100;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// The compiler's libraries without DOM do not know it; Node has it.
declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};

/** WebAssembly memory is page aligned, which O_DIRECT demands and an ordinary Buffer does not promise. */
function pageAligned(): { readonly readBuffer: Buffer; readonly writeBuffer: Buffer } {
  const memory = Buffer.from(new WebAssembly.Memory({ initial: 1 }).buffer);
  return { readBuffer: memory.subarray(0, READ_BYTES), writeBuffer: memory.subarray(READ_BYTES, READ_BYTES + 4096) };
}

export interface IscsiDeviceOptions {
  readonly host: string;
  readonly port: number;
  readonly targetIqn: string;
  readonly initiatorIqn: string;
  readonly lun: number;
  readonly onEvent?: (event: InitiatorEvent) => void;
  readonly connectTimeoutMs?: number;
  readonly commandTimeoutMs?: number;
}

export function openIscsiDevice(options: IscsiDeviceOptions): Device {
  const initiator = createInitiator(options);
  const buffers = pageAligned();
  let blockBytes = SECTOR_BYTES;
  return {
    ...buffers,
    async open() {
      initiator.start();
      for (;;) {
        const ready = await initiator.execute(testUnitReady());
        if (ready.kind === "good") break;
        await sleep(RETRY_DELAY_MS);
      }
      const request = readCapacity16();
      const outcome = await initiator.execute(request);
      if (outcome.kind === "good") ({ blockBytes } = parseCapacity16(request.data));
    },
    async read(offsetBytes, bytes) {
      const into = buffers.readBuffer.subarray(0, bytes);
      const outcome = await new Promise<ScsiOutcome>((resolve) =>
        initiator.read(offsetBytes / blockBytes, into, blockBytes, resolve),
      );
      if (outcome.kind === "good" && outcome.bytes === bytes) return;
      const found = outcome.kind === "good" ? `${outcome.bytes} bytes` : describeOutcome(outcome);
      throw new Error(`Cannot read ${bytes} bytes at ${offsetBytes}: found ${found}, expected all of them`);
    },
    write(offsetBytes, done) {
      initiator.write(offsetBytes / blockBytes, buffers.writeBuffer, blockBytes, (outcome) =>
        done(outcome.kind === "good" ? undefined : describeOutcome(outcome)),
      );
    },
    close: () => initiator.close(),
  };
}

export interface DirectDeviceOptions {
  readonly path: string;
  readonly readOnly: boolean;
  /** False for a file on a file system without O_DIRECT, such as tmpfs. */
  readonly direct: boolean;
}

/** A block device or file. After an I/O error the path is opened anew: the kernel may have made the device again. */
export function openDirectDevice(options: DirectDeviceOptions): Device {
  const buffers = pageAligned();
  const access = options.readOnly ? constants.O_RDONLY : constants.O_RDWR;
  const flags = access | (options.direct ? constants.O_DIRECT : 0);
  let fd: number | undefined;

  const tryOpen = (done: (error: string | undefined) => void): void =>
    openFile(options.path, flags, (error, opened) => {
      fd = error ? undefined : opened;
      done(error ? `Cannot open ${options.path}: ${error.message}` : undefined);
    });
  const drop = (): void => {
    const old = fd;
    fd = undefined;
    if (old !== undefined) closeFile(old, () => undefined);
  };
  return {
    ...buffers,
    async open() {
      for (;;) {
        const error = await new Promise<string | undefined>((resolve) => tryOpen(resolve));
        if (error === undefined) return;
        if (options.readOnly) throw new Error(error);
        await sleep(RETRY_DELAY_MS);
      }
    },
    read(offsetBytes, bytes) {
      return new Promise((resolve, reject) => {
        if (fd === undefined) return reject(new Error(`Cannot read ${options.path}: it is not open`));
        readFile(fd, buffers.readBuffer, 0, bytes, offsetBytes, (error, got) => {
          if (!error && got === bytes) return resolve();
          const found = error ? error.message : `${got} bytes`;
          reject(new Error(`Cannot read ${bytes} bytes at ${offsetBytes} of ${options.path}: found ${found}`));
        });
      });
    },
    write(offsetBytes, done) {
      const put = (): void => {
        if (fd === undefined) return tryOpen((error) => (error === undefined ? put() : done(error)));
        writeFile(fd, buffers.writeBuffer, 0, buffers.writeBuffer.length, offsetBytes, (error, put) => {
          if (!error && put === buffers.writeBuffer.length) return done(undefined);
          drop();
          done(error ? error.message : `short write of ${put} bytes`);
        });
      };
      put();
    },
    close: () =>
      new Promise((resolve) => {
        if (fd === undefined) return resolve();
        closeFile(fd, () => resolve());
        fd = undefined;
      }),
  };
}
