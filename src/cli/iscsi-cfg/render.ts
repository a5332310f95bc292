// The storage dashboard as text: a pure function of what is known, the size of the terminal and the time.
// Must never show old data as if it were new, and never guess what is unknown.

import type { StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import { clip, clock, dateTime, duration, plural, wrap } from "../text.ts";
import { panes } from "./panes.ts";
import { fitLine, lengthOf, paint, span } from "./spans.ts";
import type { Line, Style } from "./spans.ts";

/** What the screen has to show. */
export type DashboardView =
  | { readonly kind: "live"; readonly status: StatusDocument }
  /** Nothing was ever received, or the connection is gone: `last` is what was known before. */
  | { readonly kind: "down"; readonly reason: string; readonly next: string; readonly last: StatusDocument | null }
  | { readonly kind: "connecting" };

export interface RenderOptions {
  readonly columns: number;
  /** Null: as many as needed (no terminal). */
  readonly rows: number | null;
  readonly colour: boolean;
  /** Wall clock of the same host that wrote the document. */
  readonly now: number;
  readonly screen?: "main" | "help" | "events";
  /** Older data is called stale and not shown as the state. Default 15 s, as administrators know it. */
  readonly toleranceMs?: Millis;
  /** The line of keys at the bottom; off where nobody can press one. */
  readonly keys?: boolean;
}

export const defaultToleranceMs: Millis = 15_000;

/** Narrower terminals get lines of this width and lose their right edge. */
const minimumColumns = 60;

/** A line that is left out when the screen is too small: the highest number goes first, 0 never. */
interface Row {
  readonly line: Line;
  readonly drop: number;
}

const row = (line: Line, drop = 0): Row => ({ line, drop });

/** At most `rows` lines of at most `columns` characters; exactly `rows` lines when `rows` is a number. */
export function renderDashboard(view: DashboardView, options: RenderOptions): string[] {
  const columns = Math.max(minimumColumns, options.columns);
  const body = bodyOf(view, { ...options, columns });
  const footer = options.keys === true ? [footerLine(view, columns, options)] : [];
  const lines = shrink(body, options.rows === null ? null : Math.max(1, options.rows - footer.length));
  const filled = [...lines, ...footer];
  return filled.map((line) => paint(fitLine(line, Math.min(columns, options.columns)), options.colour));
}

function bodyOf(view: DashboardView, options: RenderOptions): Row[] {
  if (options.screen === "help") return helpRows(options.columns);
  switch (view.kind) {
    case "connecting":
      return [titleRow("", options), row([]), row([span("Asking tandemd ...")])];
    case "down":
      return downRows(view, options);
    case "live":
      break;
  }
  const ageMs = Math.max(0, options.now - view.status.wallMs);
  if (ageMs > (options.toleranceMs ?? defaultToleranceMs)) return staleRows(view.status, ageMs, options);
  return options.screen === "events" ? eventRows(view.status, options) : mainRows(view.status, ageMs, options);
}

/** Drops by priority, then from the end; fills up, so that the footer stays at the bottom. */
function shrink(rows: readonly Row[], limit: number | null): Line[] {
  if (limit === null) return rows.map((each) => each.line);
  const kept = [...rows];
  while (kept.length > limit) {
    const worst = Math.max(...kept.map((each) => each.drop));
    const index = worst === 0 ? kept.length - 1 : kept.findLastIndex((each) => each.drop === worst);
    kept.splice(index, 1);
  }
  const lines: Line[] = kept.map((each) => each.line);
  while (lines.length < limit) lines.push([]);
  return lines;
}

function titleRow(text: string, { columns, now }: RenderOptions): Row {
  const right = `${dateTime(now)} `;
  const left = ` tandem storage${text === "" ? "" : `  ${text}`}`;
  return row([span(`${clip(left, columns - right.length - 1).padEnd(columns - right.length)}${right}`, "title")]);
}

function mainRows(status: StatusDocument, ageMs: Millis, options: RenderOptions): Row[] {
  const { columns } = options;
  const blocked = status.own.state === "BLOCKED" || status.own.state === "FENCED_SELF";
  const outcome = wrap(status.own.outcome, columns - 2).slice(0, 3);
  return [
    titleRow(`${status.own.name}  policy ${policyName(status)}`, options),
    ...outcome.map((text, index) => row([span(` ${text}`, blocked ? "bad" : "bold")], index === 0 ? 0 : 3)),
    row([span("-".repeat(columns), "dim")], 8),
    ...panes(status, ageMs, columns).map(({ line, drop }) => row(line, drop)),
    row([span("-".repeat(columns), "dim")], 7),
    ...vipRows(status),
    row(linkLine(status, ageMs)),
    ...episodeRows(status, ageMs, columns),
    row(fenceLine(status), 4),
    row(ageLine(ageMs, options), 2),
    ...alertRows(status, columns),
    ...recentRows(status, columns),
  ];
}

const label = (text: string): { text: string; style: Style } => span(text.padEnd(12), "dim");

function vipRows(status: StatusDocument): Row[] {
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
  return [row([label("Floating IP"), span(`${vip.address} `), span(text, style)])];
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
  const leaseLeftMs = episode.leaseLeftMs - ageMs;
  const vote =
    episode.vote === "lost" ? span("vote LOST", "bad") : span(`vote ${episode.vote.replace("-", " ")}`, "good");
  const take =
    episode.takeoverInMs === null ? [] : [span(`; takeover in ${duration(episode.takeoverInMs - ageMs)}`, "bold")];
  return [
    row([
      label("EPISODE"),
      span(`${duration(episode.sinceMs + ageMs)}; `, "warn"),
      leaseLeftMs > 0 ? span(`lease ${duration(leaseLeftMs)} left`) : span("lease ENDED", "bad"),
      span("; "),
      vote,
      ...take,
    ]),
    ...wrap(episode.waitingFor, columns - 12)
      .slice(0, 2)
      .map((text, index) => row([label(index === 0 ? "waiting for" : ""), span(text, "bold")], index === 0 ? 0 : 3)),
  ];
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

function ageLine(ageMs: Millis, { toleranceMs }: RenderOptions): Line {
  return [
    label("Data"),
    span(`${duration(ageMs)} old, tolerance ${Math.round((toleranceMs ?? defaultToleranceMs) / 1000)} s`, "dim"),
  ];
}

function alertRows({ alerts }: StatusDocument, columns: number): Row[] {
  if (alerts.length === 0) return [row([label("Alerts"), span("none", "good")], 5)];
  const lines = alerts.map((alert) => `${clock(alert.sinceWallMs)} ${alert.text}`);
  return lines.map((text, index) =>
    row(
      [label(index === 0 ? `Alerts (${alerts.length})` : ""), span(clip(text, columns - 12), "bad")],
      index === 0 ? 0 : 5,
    ),
  );
}

function recentRows({ events }: StatusDocument, columns: number): Row[] {
  const newest = events.toReversed().slice(0, 20);
  return newest.map((each, index) =>
    row(
      [
        label(index === 0 ? "Events" : ""),
        span(clip(`${clock(each.wallMs)} ${each.node} ${each.event} ${each.detail}`, columns - 12)),
      ],
      // The oldest goes first, the newest only after everything else that may go.
      index === 0 ? 6 : 100 + index,
    ),
  );
}

function eventRows(status: StatusDocument, options: RenderOptions): Row[] {
  const lines = status.events
    .toReversed()
    .flatMap((each) =>
      wrap(`${clock(each.wallMs)} ${each.node} ${each.event} ${each.detail}`, options.columns - 2, "         "),
    );
  const none = [row([span(" No event since tandemd started.")])];
  return [
    titleRow(`${status.own.name}  last events, newest first`, options),
    row([]),
    ...(lines.length === 0 ? none : lines.map((text) => row([span(` ${text}`)]))),
    row([]),
    row([span(' The whole log: "iscsi-cfg log"', "dim")]),
  ];
}

function boxed(texts: readonly string[], columns: number, style: Style): Row[] {
  const rule = row([span("#".repeat(columns), style)]);
  const lines = texts.flatMap((text) => wrap(text, columns - 3)).map((text) => row([span(`## ${text}`, style)]));
  return [rule, ...lines, rule];
}

function textRows(text: string, columns: number, indent: string, style: Style = "plain"): Row[] {
  return wrap(text, columns - 1, indent).map((line) => row([span(line, style)]));
}

function staleRows(status: StatusDocument, ageMs: Millis, options: RenderOptions): Row[] {
  const { columns } = options;
  const tolerance = Math.round((options.toleranceMs ?? defaultToleranceMs) / 1000);
  return [
    titleRow(status.own.name, options),
    row([]),
    ...boxed(
      [`The status is ${duration(ageMs)} old.`, `Tolerance = ${tolerance} s. Nothing below is known to be true now.`],
      columns,
      "bad",
    ),
    row([]),
    row([span("Possible causes:", "bold")]),
    ...textRows("1) tandemd hangs or is overloaded. Run: systemctl status tandemd", columns, "   "),
    ...textRows("2) tandemd was stopped or restarted. Run: journalctl -u tandemd -n 50", columns, "   "),
    ...textRows("3) The clock of this host jumped. Run: timedatectl", columns, "   "),
    row([]),
    ...lastKnown(status, columns),
  ];
}

function downRows(view: Extract<DashboardView, { kind: "down" }>, options: RenderOptions): Row[] {
  const { columns } = options;
  return [
    titleRow(view.last?.own.name ?? "", options),
    row([]),
    ...boxed(["The state of this host is not known: tandemd does not answer."], columns, "bad"),
    row([]),
    ...textRows(view.reason, columns, ""),
    row([span("Run:", "bold")]),
    ...view.next.split(/; (?:then: )?/).map((command) => row([span(`  ${command}`, "bold")])),
    row([]),
    row([span("Possible causes:", "bold")]),
    ...textRows("1) tandemd is not running on this host, or is just starting.", columns, "   "),
    ...textRows("2) It refused its configuration. Run: journalctl -u tandemd -n 50", columns, "   "),
    ...textRows("3) This host was reset after it lost its authority. Run: ha-cfg history", columns, "   "),
    row([]),
    ...textRows("Storage that runs keeps running without tandemd, but nothing fails over.", columns, "", "warn"),
    row([]),
    ...(view.last === null ? [] : lastKnown(view.last, columns)),
  ];
}

function lastKnown(status: StatusDocument, columns: number): Row[] {
  const { own } = status;
  const text = `Last known, ${dateTime(status.wallMs)}: ${own.name} was ${own.state}${own.serving ? ", serving" : ""}. ${own.outcome}`;
  return textRows(text, columns, "  ", "dim");
}

function helpRows(columns: number): Row[] {
  const keys: readonly (readonly [string, string])[] = [
    ["q, Ctrl-C", "quit"],
    ["h", "this help; again: back"],
    ["l", "the last events; again: back"],
  ];
  const words: readonly string[] = [
    "Own host left, peer right. The peer's side comes from its last heartbeat; when it is silent the side is dim and its age is shown.",
    "EPISODE: the hosts do not hear one another. The lease is how long this host may still serve on its own; the vote and the takeover countdown say what happens next.",
    "solo: the peer's copy is behind or barred, this host may serve alone.",
    "Expected target: running where the storage is served, warm (running without a disk) on the other host.",
    "Commands: iscsi-cfg --help, iscsi-cfg explain, ha-cfg status",
  ];
  return [
    row([span(" tandem storage status: help".padEnd(columns), "title")]),
    row([]),
    ...keys.map(([key, text]) => row([span(` ${key.padEnd(11)}`, "bold"), span(text)])),
    row([]),
    ...words.flatMap((text) => [...textRows(` ${text}`, columns, ""), row([], 1)]),
  ];
}

function footerLine(view: DashboardView, columns: number, options: RenderOptions): Line {
  const left: Line = [
    span(" q", "bold"),
    span(" quit  "),
    span("h", "bold"),
    span(" help  "),
    span("l", "bold"),
    span(" events"),
  ];
  const alerts = view.kind === "live" ? view.status.alerts.length : 0;
  const right = options.screen === "main" || options.screen === undefined ? "" : "same key: back ";
  const text = alerts === 0 ? right : `${plural(alerts, "alert")} ${right}`;
  return [...left, span(text.padStart(Math.max(0, columns - lengthOf(left))), alerts > 0 ? "bad" : "dim")];
}

/** A ping vote must never pass for fencing (protocol.md 1). */
function policyName({ policy }: StatusDocument): string {
  return policy === "vote" || policy === "strict+vote" ? `${policy.toUpperCase()} (not fencing)` : policy.toUpperCase();
}
