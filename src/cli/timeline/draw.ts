// A story as a picture: SVG by itself, or a page around it with the list of moments. Pure; needs nothing from anywhere, so
// it opens on a machine without network. Whatever comes from outside is escaped.

import type { Millis } from "../../core/model/time.ts";
import { scaleOf, type Scale } from "./scale.ts";
import type { Lane, Mark, Story, Tone } from "./story.ts";

export interface Titles {
  readonly title: string;
  readonly subtitle: string;
}

const WIDTH = 1_180;
const LEFT = 110;
const TOP = 74;
const ROW = 24;
const MARK = 20;
const LIST = 15;
/** Marks nearer than this to one another are drawn one below the other. */
const MARK_PX = 19;
const CHARACTER_PX = 6.6;
const LONGEST_LINE = 170;

const FILL: Readonly<Record<Tone, string>> = {
  calm: "#d7dde5",
  serving: "#9fd3a6",
  moving: "#a9c8f0",
  doubt: "#f6d37a",
  danger: "#ef9a8c",
  off: "#8b929c",
};
const INK: Readonly<Record<Tone, string>> = {
  calm: "#4a5563",
  serving: "#1f7a33",
  moving: "#1d5fae",
  doubt: "#9a6a00",
  danger: "#b3261e",
  off: "#3d434b",
};

const escape = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll(/[^\P{C}\n]/gu, "");
const seconds = (ms: Millis): string => `${(ms / 1_000).toFixed(Math.abs(ms) < 10_000 ? 1 : 0)} s`;
const exact = (ms: Millis): string => `${(ms / 1_000).toFixed(3)} s`;
const px = (value: number): string => value.toFixed(1);

export function drawSvg(story: Story, titles: Titles): string {
  const marks = marksOf(story);
  const lines = marks.map(({ node, mark }) => listLine(node, mark));
  const picture = drawPicture(story, titles);
  const height = picture.height + lines.length * LIST + 16;
  const list = lines.map(
    (line, i) => `<text x="16" y="${picture.height + 12 + i * LIST}" class="list">${escape(line)}</text>`,
  );
  return svgElement(titles, height, [...picture.parts, ...list]);
}

export function drawHtml(story: Story, titles: Titles): string {
  const picture = drawPicture(story, titles);
  const rows = marksOf(story).map(({ node, mark }) => {
    const cells = [String(mark.number), exact(mark.atMs), node, mark.event, mark.detail];
    return `<tr>${cells.map((cell) => `<td>${escape(cell)}</td>`).join("")}</tr>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(titles.title)}</title>
<style>
body{font:14px/1.4 system-ui,sans-serif;margin:1.5em;color:#1c2530;background:#fff}
svg{max-width:100%;height:auto}table{border-collapse:collapse;margin-top:1em}
td,th{padding:.2em .7em;border-bottom:1px solid #e3e7ec;text-align:left;vertical-align:top}
td:nth-child(-n+2){font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
</style></head><body>
${svgElement(titles, picture.height, picture.parts)}
<table><thead><tr><th>#</th><th>after</th><th>host</th><th>event</th><th>what</th></tr></thead><tbody>
${rows.join("\n")}
</tbody></table></body></html>
`;
}

const svgElement = (titles: Titles, height: number, parts: readonly string[]): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${Math.ceil(height)}" width="${WIDTH}" height="${Math.ceil(height)}" role="img" aria-label="${escape(`${titles.title}: ${titles.subtitle}`)}">
<style>text{font:12px system-ui,sans-serif;fill:#1c2530}.h{font-size:17px;font-weight:600}.s{fill:#4a5563}.n{font-weight:600}.t{font-size:11px;fill:#667080}.m{font-size:10px;fill:#fff;font-weight:600}.list{font:11px ui-monospace,monospace;white-space:pre}</style>
<rect width="100%" height="100%" fill="#fff"/>
${parts.join("\n")}
</svg>
`;

interface Picture {
  readonly parts: readonly string[];
  readonly height: number;
}

function drawPicture(story: Story, { title, subtitle }: Titles): Picture {
  const moments = [
    ...story.lanes.flatMap(({ marks }) => marks.map(({ atMs }) => atMs)),
    ...story.lanes.flatMap(({ rows }) => rows.flatMap(({ bars }) => bars.map(({ fromMs }) => fromMs))),
    story.toMs,
  ];
  const scale = scaleOf(moments, story.fromMs, story.toMs, LEFT, WIDTH - LEFT - 20);
  const parts = [
    `<text x="16" y="26" class="h">${escape(title)}</text>`,
    ...wrapped(subtitle).map((line, i) => `<text x="16" y="${45 + i * LIST}" class="s">${escape(line)}</text>`),
  ];
  let y = TOP + (wrapped(subtitle).length - 1) * LIST;
  const axisY = y;
  y += 10;
  const lanes = story.lanes.map((lane) => {
    const drawn = drawLane(lane, scale, y);
    y = drawn.bottom + 12;
    return drawn.parts;
  });
  return { parts: [...parts, ...drawAxis(scale, axisY, y), ...lanes.flat()], height: y + 10 };
}

function drawAxis(scale: Scale, top: number, bottom: number): readonly string[] {
  let free = -Infinity;
  const ticks = scale.ticks.flatMap(({ x, atMs }) => {
    const label =
      x - free >= 0 ? `<text x="${px(x)}" y="${top}" text-anchor="middle" class="t">${seconds(atMs)}</text>` : "";
    if (label !== "") free = x + 48;
    return [`<line x1="${px(x)}" y1="${top + 5}" x2="${px(x)}" y2="${px(bottom)}" stroke="#edf0f4"/>`, label];
  });
  const cuts = scale.cuts.map(
    (x) =>
      `<rect x="${px(x - 9)}" y="${top + 5}" width="18" height="${px(bottom - top - 5)}" fill="#f7f8fa"/><text x="${px(x)}" y="${top}" text-anchor="middle" class="t">…</text>`,
  );
  return [...ticks, ...cuts];
}

function drawLane(
  lane: Lane,
  scale: Scale,
  top: number,
): { readonly parts: readonly string[]; readonly bottom: number } {
  const parts = [`<text x="16" y="${px(top + 15)}" class="n">${escape(lane.node)}</text>`];
  let y = top;
  if (lane.rows.some(({ label }) => label !== "state")) y += lane.marks.length > 0 ? 0 : 20;
  for (const { label, bars } of lane.rows) {
    if (label !== "state") parts.push(`<text x="30" y="${px(y + 15)}" class="t">${escape(label)}</text>`);
    for (const bar of bars) {
      const [x, end] = [scale.x(bar.fromMs), scale.x(bar.toMs)];
      const width = Math.max(2, end - x);
      const fits = bar.label.length * CHARACTER_PX < width - 6;
      const tip = `${bar.label}: ${exact(bar.fromMs)} to ${exact(bar.toMs)}`;
      parts.push(
        `<g><title>${escape(tip)}</title><rect x="${px(x)}" y="${px(y + 1)}" width="${px(width)}" height="${ROW - 4}" rx="2" fill="${FILL[bar.tone]}"/>` +
          (fits ? `<text x="${px(x + 5)}" y="${px(y + 15)}">${escape(bar.label)}</text>` : "") +
          "</g>",
      );
    }
    y += ROW;
  }
  const levels: number[] = [];
  for (const mark of lane.marks) {
    const x = scale.x(mark.atMs);
    let level = levels.findIndex((last) => x - last >= MARK_PX);
    if (level === -1) level = levels.length;
    levels[level] = x;
    parts.push(drawMark(mark, x, y + level * MARK + MARK / 2));
  }
  return { parts, bottom: y + levels.length * MARK };
}

const drawMark = (mark: Mark, x: number, y: number): string =>
  `<g><title>${escape(`${exact(mark.atMs)} ${mark.event}: ${mark.detail}`)}</title><circle cx="${px(x)}" cy="${px(y)}" r="8.5" fill="${INK[mark.tone]}"/>` +
  `<text x="${px(x)}" y="${px(y + 3.5)}" text-anchor="middle" class="m">${mark.number}</text></g>`;

function marksOf({ lanes }: Story): readonly { readonly node: string; readonly mark: Mark }[] {
  return lanes
    .flatMap(({ node, marks }) => marks.map((mark) => ({ node, mark })))
    .toSorted((a, b) => a.mark.number - b.mark.number);
}

function listLine(node: string, { number, atMs, event, detail }: Mark): string {
  const line = `${String(number).padStart(3)}  ${exact(atMs).padStart(11)}  ${node.padEnd(10)} ${event}: ${detail}`;
  return line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…` : line;
}

/** At most two lines; the rest of a long sentence is in the list. */
function wrapped(text: string): readonly string[] {
  const words = text.split(" ");
  const lines = [""];
  for (const word of words) {
    const line = lines.at(-1) ?? "";
    if (`${line} ${word}`.length > LONGEST_LINE && line !== "") lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.length > 2 ? [lines[0] ?? "", `${lines[1] ?? ""} …`] : lines;
}
