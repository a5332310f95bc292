// Past failovers with their timelines, kept on disk: one line of JSON per event, written through as it happens. A line that
// a power loss tore is skipped; the file never grows beyond a bound; a disk that does not take it harms nothing else.

import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod/mini";
import type { Failover } from "../../drivers/control/answers.ts";
import { writeAtomically } from "../../drivers/store/atomic-write.ts";
import { failoversOf, judgeLine, type HistoryLine } from "./failovers.ts";

export interface History {
  add(event: string, detail: string): void;
  /** The newest `limit`, the oldest of them first. */
  list(limit: number): readonly Failover[];
  /** Resolves when what was added is on the disk, or could not be put there. */
  settled(): Promise<void>;
}

export interface HistoryOptions {
  readonly path: string;
  readonly node: string;
  readonly wallMs: () => number;
  /** Told once when writing begins to fail, and null when it works again. */
  readonly onTrouble: (reason: string | null) => void;
  /** More lines than these are cut down to the newest half. */
  readonly mostLines?: number;
}

const MOST_LINES = 4_000;
const LONGEST_DETAIL = 500;

const lineSchema = z.object({ wallMs: z.number(), node: z.string(), event: z.string(), detail: z.string() });

export function openHistory(options: HistoryOptions): History {
  const { path, node, wallMs } = options;
  const most = options.mostLines ?? MOST_LINES;
  /** On disk, and to be written, oldest first. */
  let lines: HistoryLine[] = [];
  let waiting: HistoryLine[] = [];
  let failing = false;
  /** The file ends in the middle of a line. */
  let torn = false;
  let last: ReturnType<typeof judgeLine>["open"] = null;
  let work: Promise<void> = load();

  async function load(): Promise<void> {
    const text = await readFile(path, "utf8").catch(() => "");
    torn = text !== "" && !text.endsWith("\n");
    lines = text.split("\n").flatMap(parseLine);
    // What was added meanwhile was judged without this.
    let at: typeof last = null;
    for (const line of [...lines, ...waiting]) at = judgeLine(at, line).open;
    last = at;
  }

  async function flush(): Promise<void> {
    const batch = waiting;
    if (batch.length === 0) return;
    waiting = [];
    lines.push(...batch);
    try {
      // Also after a failure: what is missing in the file is written with the rest.
      if (lines.length > most || failing) {
        if (lines.length > most) lines = lines.slice(-Math.floor(most / 2));
        const whole = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
        const written = await writeAtomically(path, whole);
        if (!written.ok) throw new Error(written.error.reason);
        torn = false;
      } else await append(batch);
      if (failing) options.onTrouble(null);
      failing = false;
    } catch (error) {
      if (!failing)
        options.onTrouble(`Cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`);
      failing = true;
    }
  }

  async function append(batch: readonly HistoryLine[]): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, "a", 0o600);
    try {
      const text = batch.map((line) => `${JSON.stringify(line)}\n`).join("");
      const before = torn ? "\n" : "";
      torn = true;
      await file.appendFile(before + text);
      torn = false;
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  return {
    add(event, detail) {
      const line = { wallMs: wallMs(), node, event, detail: detail.slice(0, LONGEST_DETAIL) };
      const verdict = judgeLine(last, line);
      last = verdict.open;
      if (!verdict.keep) return;
      waiting.push(line);
      work = work.then(flush);
    },
    list: (limit) => failoversOf([...lines, ...waiting], wallMs()).slice(-limit),
    settled: () => work,
  };
}

/** Nothing for a line that cannot be read: what is around it is still worth showing. */
function parseLine(text: string): readonly HistoryLine[] {
  if (text === "") return [];
  try {
    const parsed = lineSchema.safeParse(JSON.parse(text));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
}
