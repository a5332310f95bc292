// A screen as lines of styled spans, and how they become text. Knows no domain word.

import { clean, fit } from "../../text.ts";

export type Style = "plain" | "title" | "bold" | "dim" | "good" | "warn" | "bad";

export interface Span {
  readonly text: string;
  readonly style: Style;
}

export type Line = readonly Span[];

/** Text from outside is cleaned here, so no caller can forget it. */
export const span = (text: string, style: Style = "plain"): Span => ({ text: clean(text), style });

const sgr: Readonly<Record<Style, string>> = {
  plain: "",
  title: "\u001b[7m",
  bold: "\u001b[1m",
  dim: "\u001b[2m",
  good: "\u001b[32m",
  warn: "\u001b[33m",
  bad: "\u001b[1;31m",
};

export const lengthOf = (line: Line): number => line.reduce((sum, part) => sum + Array.from(part.text).length, 0);

/** [####....]: `part` of one, in `width` characters and never less than six. */
export function gauge(part: number, width: number, style: Style): Span {
  const room = Math.max(4, Math.min(40, width - 2));
  const done = Math.min(room, Math.max(0, Math.round(part * room)));
  return span(`[${"#".repeat(done)}${".".repeat(room - done)}]`, style);
}

/** The words alone. */
export const textOf = (line: Line): string => line.map((part) => part.text).join("");

/** Exactly `width` characters: clipped in the span that overflows, or filled. */
export function fitLine(line: Line, width: number): Line {
  const out: Span[] = [];
  let room = width;
  for (const part of line) {
    const length = Array.from(part.text).length;
    if (length > room) {
      out.push({ ...part, text: fit(part.text, room) });
      return out;
    }
    out.push(part);
    room -= length;
  }
  return room > 0
    ? [...out, { text: " ".repeat(room), style: out.at(-1)?.style === "title" ? "title" : "plain" }]
    : out;
}

/** One terminal line; without colour the text alone, without trailing blanks. */
export function paint(line: Line, colour: boolean): string {
  if (!colour) return textOf(line).trimEnd();
  const painted = line.map((part) => (part.style === "plain" ? part.text : `${sgr[part.style]}${part.text}\u001b[0m`));
  return painted.join("").trimEnd();
}
