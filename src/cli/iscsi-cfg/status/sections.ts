// The parts of the status that belong to no single host, as rows: floating IP, links, outage, fencing, alerts, events, and
// the warnings that stand in their place. Pure; used by the plain picture and by the live screen.
// Must never show old data as if it were new, and never guess what is unknown.

import type { StatusDocument } from "../../../core/model/status.ts";
import type { Millis } from "../../../core/model/time.ts";
import { clip, clock, dateTime, duration, wrap } from "../../text.ts";
import { gauge, span } from "./spans.ts";
import type { Line, Span, Style } from "./spans.ts";

/** A line that is left out when the screen is too small: the highest number goes first, 0 never. */
export interface Row {
  readonly line: Line;
  readonly drop: number;
}

export const row = (line: Line, drop = 0): Row => ({ line, drop });

/** What the screen has to show. */
export type DashboardView =
  | { readonly kind: "live"; readonly status: StatusDocument }
  /** Nothing was ever received, or the connection is gone: `last` is what was known before. */
  | { readonly kind: "down"; readonly reason: string; readonly next: string; readonly last: StatusDocument | null }
  | { readonly kind: "connecting" };

/** Older data is called stale and not shown as the state; as administrators know it. */
export const defaultToleranceMs: Millis = 15_000;

export interface Frame {
  readonly columns: number;
  /** Wall clock of the same host that wrote the document. */
  readonly now: number;
  readonly toleranceMs: Millis;
}

const labelWidth = 12;
const label = (text: string): Span => span(text.padEnd(labelWidth), "dim");

function vipRow(status: StatusDocument): Row {
  const { vip } = status.own;
  const peer = status.peer?.name ?? "the peer";
  const said: Readonly<Record<typeof vip.state, readonly [string, Style]>> = {
    local: ["is local", "good"],
    peer: [`is on ${peer}`, "plain"],
    absent: ["is nowhere: nobody serves the storage", "bad"],
    elsewhere: [`answers on ANOTHER host, MAC ${vip.mac ?? "unknown"}`, "bad"],
    unknown: ["state unknown", "warn"],
  };
  const [text, style] = said[vip.state];
  return row([label("Floating IP"), span(`${vip.address} `), span(text, style)]);
}

function linkLine(status: StatusDocument, ageMs: Millis): Line {
  const links = status.contact.links.flatMap(({ link, up, lastHeardMs }, index) => [
    ...(index === 0 ? [] : [span("; ")]),
    span(`${link} `),
    span(up ? "up" : "DOWN", up ? "good" : "bad"),
    span(lastHeardMs === null ? ", never heard" : ` ${duration(lastHeardMs + ageMs)} ago`, "dim"),
  ]);
  return [label("Links"), ...(links.length === 0 ? [span("none known", "warn")] : links)];
}

function episodeRows(status: StatusDocument, ageMs: Millis, columns: number): Row[] {
  const { episode, contact } = status;
  if (episode === null) {
    if (contact.inContact) return [row([label("Contact"), span("both ways", "good")], 5)];
    const silent =
      contact.silentMs === null ? "the peer was never heard" : `silent for ${duration(contact.silentMs + ageMs)}`;
    return [row([label("Contact"), span(`none: ${silent}`, "warn")])];
  }
  const sinceMs = episode.sinceMs + ageMs;
  const leaseLeftMs = episode.leaseLeftMs - ageMs;
  const vote =
    episode.vote === "lost" ? span("vote LOST", "bad") : span(`vote ${episode.vote.replace("-", " ")}`, "good");
  const takeInMs = episode.takeoverInMs === null ? null : episode.takeoverInMs - ageMs;
  return [
    row([
      label("EPISODE"),
      span(`the hosts do not hear one another for ${duration(sinceMs)}`, "warn"),
      span("; "),
      vote,
    ]),
    row([
      label("Lease"),
      ...countdown(leaseLeftMs, sinceMs, columns, "good"),
      leaseLeftMs > 0 ? span(` ${duration(leaseLeftMs)} left`) : span(" ENDED", "bad"),
    ]),
    ...(takeInMs === null
      ? []
      : [
          row([
            label("Takeover"),
            ...countdown(takeInMs, sinceMs, columns, "warn"),
            span(` in ${duration(takeInMs)}`, "bold"),
          ]),
        ]),
    ...wrap(episode.waitingFor, columns - labelWidth)
      .slice(0, 2)
      .map((text, index) => row([label(index === 0 ? "Waits for" : ""), span(text, "bold")], index === 0 ? 0 : 3)),
  ];
}

/** What is left of a time that began with the outage. */
function countdown(leftMs: Millis, goneMs: Millis, columns: number, style: Style): Line {
  const left = Math.max(0, leftMs);
  return [gauge(left / Math.max(1, left + goneMs), columns - labelWidth - 16, style)];
}

function fenceLine({ fencing, heuristics, witnesses }: StatusDocument): Line {
  const ready = fencing.ready === null ? ["unknown", "warn"] : fencing.ready ? ["ready", "good"] : ["NOT READY", "bad"];
  const dead = [...heuristics, ...witnesses].filter((each) => each.answering === false).map((each) => each.address);
  return [
    label("Fencing"),
    span(`${fencing.method} `),
    fencing.enabled ? span(ready[0] ?? "", (ready[1] ?? "plain") as Style) : span("off", "warn"),
    ...(dead.length === 0 ? [] : [span(`; no answer from ${dead.join(", ")}`, "bad")]),
    span(`; ${fencing.detail}`, "dim"),
  ];
}

/** Everything that belongs to the pair and not to one host. */
export function factRows(status: StatusDocument, ageMs: Millis, { columns, toleranceMs }: Frame): Row[] {
  const tolerance = Math.round(toleranceMs / 1000);
  return [
    vipRow(status),
    row(linkLine(status, ageMs)),
    ...episodeRows(status, ageMs, columns),
    row(fenceLine(status), 4),
    row([label("Data"), span(`${duration(ageMs)} old, tolerance ${tolerance} s`, "dim")], 2),
  ];
}

export function alertRows({ alerts }: StatusDocument, columns: number): Row[] {
  if (alerts.length === 0) return [row([label("Alerts"), span("none", "good")], 5)];
  return alerts.map((alert, index) =>
    row(
      [
        label(index === 0 ? `Alerts (${alerts.length})` : ""),
        span(clip(`${clock(alert.sinceWallMs)} ${alert.text}`, columns - labelWidth), "bad"),
      ],
      index === 0 ? 0 : 5,
    ),
  );
}

/** Newest first. */
export function recentRows({ events }: StatusDocument, columns: number): Row[] {
  return events.toReversed().map((each, index) =>
    row(
      [
        label(index === 0 ? "Events" : ""),
        span(clip(`${clock(each.wallMs)} ${each.node} ${each.event} ${each.detail}`, columns - labelWidth)),
      ],
      // The oldest goes first, the newest only after everything else that may go.
      index === 0 ? 6 : 100 + index,
    ),
  );
}

export function titleLine(text: string, { columns, now }: Frame): Line {
  const right = `${dateTime(now)} `;
  const left = ` tandem storage${text === "" ? "" : `  ${text}`}`;
  return [span(`${clip(left, columns - right.length - 1).padEnd(columns - right.length)}${right}`, "title")];
}

export function outcomeRows({ own }: StatusDocument, columns: number): Row[] {
  const style: Style = own.state === "BLOCKED" || own.state === "FENCED_SELF" ? "bad" : "bold";
  const texts = wrap(own.outcome, columns - 2).slice(0, 3);
  return texts.map((text, index) => row([span(` ${text}`, style)], index === 0 ? 0 : 3));
}

/** A ping vote must never pass for fencing (protocol.md 1). */
export function policyName({ policy }: StatusDocument): string {
  return policy === "vote" || policy === "strict+vote" ? `${policy.toUpperCase()} (not fencing)` : policy.toUpperCase();
}
