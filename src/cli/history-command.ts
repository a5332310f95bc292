// `history`: the failovers on record, one of them with its moments, or drawn as a picture. A picture is never written half.

import { readFile } from "node:fs/promises";
import * as z from "zod";
import type { Failover } from "../drivers/control/answers.ts";
import { writeAtomically } from "../drivers/store/atomic-write.ts";
import type { CliContext } from "./context.ts";
import { historyLines, listedFailovers } from "./reports.ts";
import { ask, note, tell } from "./request.ts";
import type { ExitCode } from "./request.ts";
import { dateTime } from "./text.ts";
import { drawHtml, drawSvg } from "./timeline/draw.ts";
import { storyOf, type TimelineEvent } from "./timeline/story.ts";

export interface HistoryOptions {
  /** 1 is the newest; undefined: the list. */
  readonly number: number | undefined;
  readonly limit: number;
  readonly svg: string | undefined;
  readonly html: string | undefined;
  /** What `history --json` printed on the other host. */
  readonly with: string | undefined;
  readonly json: boolean;
}

const failoverShape = z.object({
  startWallMs: z.number(),
  endWallMs: z.number(),
  node: z.string(),
  isOver: z.boolean(),
  summary: z.string(),
  events: z.array(z.object({ wallMs: z.number(), event: z.string(), detail: z.string() })),
});
const replyShape = z.object({ kind: z.literal("history"), failovers: z.array(failoverShape) });

/** The two hosts' clocks may differ by this much, and one of them notices first. */
const APART_MS = 30_000;

export async function showHistory(context: CliContext, options: HistoryOptions): Promise<ExitCode> {
  const { number, json } = options;
  const draws = options.svg !== undefined || options.html !== undefined;
  const reply = await ask(context, { kind: "history", limit: Math.max(options.limit, number ?? 1) }, json);
  if (reply === null) return 1;
  if (reply.kind !== "history") return tell(context, reply, json);
  if (number === undefined && !draws) {
    if (json) return tell(context, reply, json);
    context.out(listedFailovers(reply.failovers).join("\n"));
    return 0;
  }
  const wanted = number ?? 1;
  const found = reply.failovers.at(-wanted);
  if (found === undefined) {
    const count = reply.failovers.length;
    note(context, `Cannot show number ${wanted}: found ${count} on record on this host, expected ${wanted} or more`);
    note(context, "Next: see 'ha-cfg history' for the list");
    return 1;
  }
  const others = options.with === undefined ? [] : await othersOf(context, options.with, found);
  if (others === null) return 1;
  if (draws) return draw(context, options, found, others);
  if (json) return tell(context, { kind: "history", failovers: [found, ...others] }, json);
  context.out(historyLines([found, ...others]).join("\n"));
  return 0;
}

/** The same failover as the other host lived through it; null: the reason was told. */
async function othersOf(context: CliContext, path: string, own: Failover): Promise<readonly Failover[] | null> {
  let parsed: ReturnType<typeof replyShape.safeParse>;
  try {
    parsed = replyShape.safeParse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    note(context, `Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
  if (!parsed.success) {
    note(context, `Cannot use ${path}: expected what "ha-cfg history --json" prints on the other host`);
    return null;
  }
  return parsed.data.failovers.filter(
    ({ startWallMs, endWallMs, node }) =>
      node !== own.node && startWallMs <= own.endWallMs + APART_MS && endWallMs >= own.startWallMs - APART_MS,
  );
}

async function draw(
  context: CliContext,
  { svg, html, json }: HistoryOptions,
  own: Failover,
  others: readonly Failover[],
): Promise<ExitCode> {
  const events = [own, ...others].flatMap((one) =>
    one.events.map(({ wallMs, event, detail }): TimelineEvent => ({
      atMs: wallMs - own.startWallMs,
      node: one.node,
      event,
      detail,
    })),
  );
  const story = storyOf(events);
  const titles = {
    title: `${dateTime(own.startWallMs)}, told by ${[own, ...others].map(({ node }) => node).join(" and ")}`,
    subtitle: own.summary,
  };
  const pictures = [
    ...(svg === undefined ? [] : [{ path: svg, text: drawSvg(story, titles) }]),
    ...(html === undefined ? [] : [{ path: html, text: drawHtml(story, titles) }]),
  ];
  for (const { path, text } of pictures) {
    const written = await writeAtomically(path, text);
    if (!written.ok) {
      note(context, `Cannot write ${path}: ${written.error.reason}`);
      return 1;
    }
  }
  return tell(context, { kind: "done", text: `drawn: ${pictures.map(({ path }) => path).join(", ")}` }, json);
}
