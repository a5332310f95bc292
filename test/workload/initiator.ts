// A plain iSCSI initiator that never gives up: it logs in, sends commands, and on any loss logs in again at once and
// repeats what was not answered. Must never answer a command that the target did not answer.
import { randomBytes } from "node:crypto";
import { HEADER_BYTES } from "./pdu.ts";
import { invariant } from "../../src/util/assert.ts";
import { isRetryable, putTransferCdb, type Direction, type ScsiOutcome, type ScsiRequest } from "./scsi.ts";
import { MAX_RECEIVE_BYTES, openSession, type Session, type SessionParameters, type Task } from "./session.ts";

export interface InitiatorOptions {
  readonly host: string;
  readonly port: number;
  readonly targetIqn: string;
  readonly initiatorIqn: string;
  readonly lun: number;
  readonly connectTimeoutMs?: number;
  readonly commandTimeoutMs?: number;
  /** Least time between two attempts to connect. */
  readonly retryDelayMs?: number;
  readonly onEvent?: (event: InitiatorEvent) => void;
}

export type InitiatorEvent =
  /** `gapMs` since the last session was lost, 0 for the first. */
  | {
      readonly kind: "connected";
      readonly gapMs: number;
      readonly attempts: number;
      readonly parameters: SessionParameters;
    }
  | { readonly kind: "lost"; readonly why: string; readonly unanswered: number }
  | { readonly kind: "refused"; readonly why: string };

export type Done = (outcome: ScsiOutcome) => void;

export interface Initiator {
  start(): void;
  /** `data` is copied before this returns; its length must be a multiple of `blockBytes`. */
  write(lba: number, data: Buffer, blockBytes: number, done: Done): void;
  read(lba: number, into: Buffer, blockBytes: number, done: Done): void;
  execute(request: ScsiRequest): Promise<ScsiOutcome>;
  /** Ends the session in order and forgets unanswered commands. */
  close(): Promise<void>;
  isConnected(): boolean;
}

interface Pending extends Task {
  done: Done;
  retries: number;
}

/** Retries of a command that the target itself put off, before the caller gets to see the answer. */
const MAX_RETRIES = 50;
const RETRY_DELAY_MS = 20;

export const defaultTimeouts = { connectTimeoutMs: 250, commandTimeoutMs: 1000, retryDelayMs: 20 } as const;

export function createInitiator(options: InitiatorOptions): Initiator {
  const { connectTimeoutMs, commandTimeoutMs, retryDelayMs } = { ...defaultTimeouts, ...options };
  const receiveBuffer = Buffer.allocUnsafe(MAX_RECEIVE_BYTES);
  // Random-format ISID: two VMs of one host share the host's IQN and must not take each other's session over.
  const isid = Buffer.concat([Buffer.from([0x80]), randomBytes(3), Buffer.from([0, 1])]);
  const queue: Pending[] = [];
  const spare = new Map<number, Buffer>();
  let session: Session | undefined;
  let isReady = false;
  let lostAt: number | undefined;
  let attempts = 0;
  let onClosed: (() => void) | undefined;
  let retryTimer: NodeJS.Timeout | undefined;

  function open(): void {
    const openedAt = performance.now();
    attempts++;
    session = openSession(
      {
        host: options.host,
        port: options.port,
        targetIqn: options.targetIqn,
        initiatorIqn: options.initiatorIqn,
        lun: options.lun,
        isid,
        connectTimeoutMs,
        commandTimeoutMs,
        receiveBuffer,
      },
      {
        ready(parameters) {
          isReady = true;
          const gapMs = lostAt === undefined ? 0 : performance.now() - lostAt;
          options.onEvent?.({ kind: "connected", gapMs, attempts, parameters });
          attempts = 0;
          for (const task of queue) session?.submit(task);
        },
        answered: (task, outcome) => onAnswer(task as Pending, outcome), // only Pending tasks are ever submitted
        closed(why) {
          session = undefined;
          if (onClosed) return onClosed();
          if (isReady) {
            lostAt = performance.now();
            options.onEvent?.({ kind: "lost", why, unanswered: queue.length });
          } else options.onEvent?.({ kind: "refused", why });
          const waitMs = isReady ? 0 : Math.max(0, openedAt + retryDelayMs - performance.now());
          isReady = false;
          retryTimer = setTimeout(open, waitMs);
        },
      },
    );
  }

  function onAnswer(task: Pending, outcome: ScsiOutcome): void {
    if (isRetryable(outcome) && task.retries++ < MAX_RETRIES) {
      const owner = session;
      const again = (): void => {
        if (session === owner && queue.includes(task)) owner?.submit(task);
      };
      if (outcome.kind === "check-condition") again();
      else setTimeout(again, RETRY_DELAY_MS);
      return;
    }
    if (queue[0] === task) queue.shift();
    else queue.splice(queue.indexOf(task), 1);
    if (task.direction === "write") spare.set(task.pdu.length, task.pdu);
    task.done(outcome);
  }

  function enqueue(cdb: Buffer, direction: Direction, pdu: Buffer, data: Buffer, done: Done): void {
    const task: Pending = { cdb, direction, pdu, data, tag: 0, received: 0, retries: 0, done };
    queue.push(task);
    if (isReady) session?.submit(task);
  }

  function transfer(direction: "read" | "write", lba: number, data: Buffer, blockBytes: number, done: Done): void {
    invariant(data.length % blockBytes === 0, "workload", `${data.length} bytes are no whole blocks of ${blockBytes}`);
    const cdb = Buffer.alloc(16);
    putTransferCdb(cdb, direction, lba, data.length / blockBytes);
    if (direction === "read") return enqueue(cdb, direction, Buffer.alloc(HEADER_BYTES), data, done);
    const bytes = HEADER_BYTES + data.length;
    const pdu = spare.get(bytes) ?? Buffer.allocUnsafe(bytes);
    spare.delete(bytes);
    data.copy(pdu, HEADER_BYTES);
    enqueue(cdb, direction, pdu, pdu.subarray(HEADER_BYTES), done);
  }

  return {
    start: open,
    write: (lba, data, blockBytes, done) => transfer("write", lba, data, blockBytes, done),
    read: (lba, into, blockBytes, done) => transfer("read", lba, into, blockBytes, done),
    execute(request) {
      const body = request.direction === "write" ? request.data : Buffer.alloc(0);
      const pdu = Buffer.concat([Buffer.alloc(HEADER_BYTES), body]);
      return new Promise((resolve) => enqueue(request.cdb, request.direction, pdu, request.data, resolve));
    },
    close() {
      clearTimeout(retryTimer);
      queue.length = 0;
      const open = session;
      if (!open) return Promise.resolve();
      return new Promise((resolve) => {
        onClosed = resolve;
        open.logout();
      });
    },
    isConnected: () => isReady,
  };
}
