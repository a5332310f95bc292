// Text for people: wrapping, clipping, durations, sizes, times. Pure. Nothing that came from outside may reach a terminal
// without `clean`: a VM may be named with an escape sequence.

import type { Millis } from "../core/model/time.ts";

/** Control characters become "?"; everything is one line. */
export function clean(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}

export function clip(text: string, width: number): string {
  if (width <= 0) return "";
  const characters = Array.from(text);
  if (characters.length <= width) return text;
  return width <= 2 ? characters.slice(0, width).join("") : `${characters.slice(0, width - 2).join("")}..`;
}

/** Cut or filled with spaces to exactly `width` characters. */
export function fit(text: string, width: number): string {
  const clipped = clip(text, width);
  return clipped + " ".repeat(Math.max(0, width - Array.from(clipped).length));
}

/** Breaks at spaces; a word longer than a line is cut. Line breaks in the text stay. Follow-up lines start with `indent`. */
export function wrap(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    const lead = /^ */.exec(paragraph)?.[0] ?? "";
    let line = lead;
    let empty = true;
    for (const word of paragraph.split(" ").filter((part) => part !== "")) {
      let rest = Array.from(word);
      const room = width - Array.from(line).length - (empty ? 0 : 1);
      if (rest.length > room && !empty) {
        lines.push(line);
        line = lead + indent;
        empty = true;
      }
      while (rest.length > width - Array.from(line).length) {
        const cut = Math.max(1, width - Array.from(line).length);
        lines.push(line + rest.slice(0, cut).join(""));
        rest = rest.slice(cut);
        line = lead + indent;
      }
      line += (empty ? "" : " ") + rest.join("");
      empty = false;
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

/** 0.3 s, 12 s, 3m10s, 2h05m, 3d04h. */
export function duration(ms: Millis): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 100) return `${whole} s`;
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m${two(whole % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}

/** 512 KiB, 1.5 GiB. */
export function size(kib: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = kib;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** 23:55:07 in the time zone of the host. */
export function clock(wallMs: number): string {
  const date = new Date(wallMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** Fri Nov 20 23:55:07 2026, as date(1) in the C locale without the zone. */
export function dateTime(wallMs: number): string {
  const date = new Date(wallMs);
  const day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][date.getDay()] ?? "";
  const month =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][date.getMonth()] ?? "";
  return `${day} ${month} ${String(date.getDate()).padStart(2, " ")} ${clock(wallMs)} ${date.getFullYear()}`;
}

export const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;
