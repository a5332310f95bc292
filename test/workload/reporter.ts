// The VM's side of reporting: batches, keeps a bounded backlog while the collector is away, reconnects.
// Must never make a write wait, nor let its own backlog lose an acknowledgement (what TCP had taken is TCP's to lose).
import { connect, type Socket } from "node:net";
import { BATCH_EVERY_MS, type Body, type Hello } from "./messages.ts";

export interface ReporterOptions {
  readonly host: string;
  readonly port: number;
  readonly hello: Hello;
}

export interface Reporter {
  send(body: Body): void;
  /** `mono` of the acknowledgement of `seq`. */
  acknowledged(seq: number, mono: number): void;
  /** Sends what is left, waits at most `timeoutMs` for the system to take it. */
  close(timeoutMs: number): Promise<void>;
  dropped(): number;
}

const RECONNECT_MS = 100;
const MAX_BACKLOG_LINES = 4000;
/** Above this the collector is not reading; keep lines here where they can be thinned out. */
const MAX_SOCKET_BYTES = 1_048_576;

interface Line {
  readonly k: Body["k"];
  readonly text: string;
  readonly range?: Extract<Body, { k: "ack-range" }>;
}

export function createReporter(options: ReporterOptions): Reporter {
  const { hello } = options;
  let socket: Socket | undefined;
  let isUp = false;
  let isClosed = false;
  let backlog: Line[] = [];
  let dropped = 0;
  let batchFrom = 0;
  let batchAt = 0;
  let batchLast = 0;
  let batchDeltas: number[] = [];
  let batchCount = 0;
  const batchTimer = setTimeout(flushAcks, BATCH_EVERY_MS);
  batchTimer.unref();
  let reconnectTimer: NodeJS.Timeout | undefined;

  function dial(): void {
    if (isClosed) return;
    const mine = connect({ host: options.host, port: options.port, noDelay: true });
    socket = mine;
    mine.on("connect", () => {
      isUp = true;
      mine.write(`${toText(hello)}\n`);
      drain();
    });
    mine.on("drain", drain);
    mine.on("data", () => undefined);
    mine.on("error", () => undefined); // "close" follows and says all there is to know
    mine.on("close", () => {
      isUp = false;
      if (!isClosed) reconnectTimer = setTimeout(dial, RECONNECT_MS);
    });
  }

  function toText(body: Body): string {
    const mono = performance.now();
    return JSON.stringify({ ...body, i: hello.incarnation, mono, wall: Date.now() });
  }

  function push(body: Body, range?: Line["range"]): void {
    const text = toText(body);
    if (isUp && backlog.length === 0 && socket && socket.writableLength < MAX_SOCKET_BYTES) {
      socket.write(`${text}\n`);
      return;
    }
    backlog.push({ k: body.k, text, ...(range ? { range } : {}) });
    if (backlog.length > MAX_BACKLOG_LINES) thinOut();
  }

  function drain(): void {
    if (!isUp || !socket) return;
    const room = socket.writableLength < MAX_SOCKET_BYTES;
    if (!room || backlog.length === 0) return;
    const lines = backlog;
    backlog = [];
    socket.write(`${lines.map((line) => line.text).join("\n")}\n`);
  }

  /** Acknowledgements shrink to ranges, beats go; everything else is rare and stays. */
  function thinOut(): void {
    const kept: Line[] = [];
    let open: Extract<Body, { k: "ack-range" }> | undefined;
    const closeRange = (): void => {
      if (open) kept.push({ k: "ack-range", text: toText(open), range: open });
      open = undefined;
    };
    for (const line of backlog) {
      if (line.k === "alive") {
        dropped++;
        continue;
      }
      if (!line.range) {
        closeRange();
        kept.push(line);
        continue;
      }
      if (line.k === "acks") dropped++;
      if (open && open.to + 1 === line.range.from) open = { ...open, to: line.range.to, lastAt: line.range.lastAt };
      else {
        closeRange();
        open = line.range;
      }
    }
    closeRange();
    backlog = kept.slice(-MAX_BACKLOG_LINES);
    dropped += kept.length - backlog.length;
  }

  function flushAcks(): void {
    if (batchCount === 0) return;
    const to = batchFrom + batchCount - 1;
    push(
      { k: "acks", from: batchFrom, at: batchAt, d: batchDeltas },
      { k: "ack-range", from: batchFrom, to, firstAt: batchAt, lastAt: batchLast },
    );
    batchDeltas = [];
    batchCount = 0;
  }

  dial();
  return {
    send(body) {
      flushAcks();
      push(body);
    },
    acknowledged(seq, mono) {
      if (batchCount > 0 && seq !== batchFrom + batchCount) flushAcks();
      if (batchCount === 0) {
        batchFrom = seq;
        batchAt = mono;
        batchTimer.refresh();
      } else batchDeltas.push(Math.round((mono - batchLast) * 1000));
      batchLast = mono;
      batchCount++;
    },
    async close(timeoutMs) {
      flushAcks();
      drain();
      isClosed = true;
      clearTimeout(reconnectTimer);
      clearTimeout(batchTimer);
      const last = socket;
      if (!last) return;
      if (isUp) {
        await new Promise<void>((resolve) => {
          setTimeout(resolve, timeoutMs).unref();
          last.on("close", () => resolve());
          last.end();
        });
      }
      last.destroy();
    },
    dropped: () => dropped,
  };
}
