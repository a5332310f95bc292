// The live screen as Ink's elements: a pure function of what is known, the size of the terminal and the time.
// Must never be higher or wider than the terminal.

import { Box } from "ink";
import { createElement as h } from "react";
import type { ReactElement } from "react";
import type { StatusDocument } from "../../../../core/model/status.ts";
import { plural, wrap } from "../../../text.ts";
import { panePairs } from "../panes.ts";
import type { PanePair } from "../panes.ts";
import { alertRows, factRows, outcomeRows, policyName, recentRows, titleLine } from "../sections.ts";
import type { DashboardView, Frame, Row } from "../sections.ts";
import { lengthOf, span } from "../spans.ts";
import type { Line } from "../spans.ts";
import { downRows, staleRows } from "../warnings.ts";
import { keepFitting } from "./fit.ts";
import { helpLines } from "./help.ts";
import { Lines, StyledLine } from "./styled.ts";

export type Screen = "main" | "help" | "log" | "history" | "events";

export interface ScreenProps extends Frame {
  readonly view: DashboardView;
  readonly rows: number;
  readonly colour: boolean;
  /** Lines for boxes where the terminal can show them, + - | elsewhere. */
  readonly unicode: boolean;
  readonly screen: Screen;
  /** First line shown of a screen that is longer than the terminal. */
  readonly scroll: number;
  /** What the log and the history show, newest last. */
  readonly texts: readonly string[];
}

/** From here on alerts and events have a column of their own. */
const wideColumns = 140;
/** The smallest terminal that is laid out; a smaller one loses its right edge. */
const leastColumns = 60;

export function Dashboard(props: ScreenProps): ReactElement {
  const columns = Math.max(leastColumns, props.columns);
  const frame = { ...props, columns };
  const height = Math.max(1, props.rows - 1);
  return h(
    Box,
    { flexDirection: "column", width: props.columns, height: Math.max(2, props.rows), overflow: "hidden" },
    h(Body, { ...frame, rows: height }),
    h(StyledLine, { line: footerLine(frame), width: columns, colour: props.colour }),
  );
}

/** What fills the terminal above the line of keys. */
function Body(props: ScreenProps): ReactElement {
  const { view, screen, columns } = props;
  if (screen === "help") return h(Paged, { ...props, title: "help", lines: helpLines(columns) });
  if (screen === "log") return h(Paged, { ...props, title: "log of tandemd", lines: folded(props.texts, columns) });
  if (screen === "history") {
    const lines = folded(props.texts, columns);
    return h(Paged, { ...props, title: "past failovers and moves", lines });
  }
  switch (view.kind) {
    case "connecting":
      return h(Paged, { ...props, title: "", lines: [[span("Asking tandemd ...")]] });
    case "down":
      return h(Paged, { ...props, title: view.last?.own.name ?? "", lines: linesOf(downRows(view, columns)) });
    case "live":
      break;
  }
  const { status } = view;
  const ageMs = Math.max(0, props.now - status.wallMs);
  if (ageMs > props.toleranceMs)
    return h(Paged, { ...props, title: status.own.name, lines: linesOf(staleRows(status, ageMs, props)) });
  if (screen === "events") {
    const lines = linesOf(recentRows(status, columns));
    const none: readonly Line[] = [[span("No event since tandemd started.")]];
    return h(Paged, { ...props, title: "last events, newest first", lines: lines.length === 0 ? none : lines });
  }
  return h(Main, { ...props, status, ageMs });
}

const linesOf = (rows: readonly Row[]): readonly Line[] => rows.map(({ line }) => line);

const folded = (texts: readonly string[], columns: number): readonly Line[] =>
  texts.flatMap((text) => wrap(text, columns - 1, "    ").map((line) => [span(line)]));

/** A text that may be longer than the terminal. */
function Paged(props: ScreenProps & { readonly title: string; readonly lines: readonly Line[] }): ReactElement {
  const { rows, columns, colour, lines, title } = props;
  const room = Math.max(0, rows - 2);
  const from = Math.min(props.scroll, Math.max(0, lines.length - room));
  const shown: readonly Line[] = [titleLine(title, props), [], ...lines.slice(from, from + room)];
  return h(Lines, { lines: shown.slice(0, rows), width: columns, colour, height: rows });
}

interface MainProps extends ScreenProps {
  readonly status: StatusDocument;
  readonly ageMs: number;
}

/** The two hosts side by side; below them (or beside, where there is room) what belongs to the pair. */
function Main(props: MainProps): ReactElement {
  const { status, columns, rows, colour } = props;
  const title = titleLine(`${status.own.name}  policy ${policyName(status)}`, props);
  const outcome = outcomeRows(status, columns);
  const isWide = columns >= wideColumns;
  const sideWidth = isWide ? Math.floor(columns * 0.38) : 0;
  const room = Math.max(0, rows - 1 - outcome.length);
  const left = h(Hosts, { ...props, columns: columns - sideWidth, rows: room, withNews: !isWide });
  const body = isWide ? h(Box, { height: room }, left, h(News, { ...props, columns: sideWidth, rows: room })) : left;
  return h(
    Box,
    { flexDirection: "column", height: rows, overflow: "hidden" },
    h(Lines, { lines: [title, ...linesOf(outcome)], width: columns, colour }),
    body,
  );
}

type Slot =
  | { readonly kind: "pair"; readonly pair: PanePair; readonly drop: number }
  | { readonly kind: "row"; readonly line: Line; readonly drop: number };

/** Both panes and the rows below them share one height: what matters least goes first, wherever it stands. */
function Hosts(props: MainProps & { readonly withNews: boolean }): ReactElement {
  const { status, ageMs, columns, rows, colour, withNews } = props;
  const leftWidth = Math.ceil(columns / 2);
  const inner = Math.floor(columns / 2) - borders;
  const slots: readonly Slot[] = [
    ...panePairs(status, ageMs, inner).map((pair) => ({ kind: "pair" as const, pair, drop: pair.drop })),
    ...[
      ...factRows(status, ageMs, props),
      ...(withNews ? [...alertRows(status, columns), ...recentRows(status, columns)] : []),
    ].map(({ line, drop }) => ({ kind: "row" as const, line, drop })),
  ];
  const kept = keepFitting(slots, rows - borders);
  const pairs = kept.flatMap((slot) => (slot.kind === "pair" ? [slot.pair] : []));
  const lines = kept.flatMap((slot) => (slot.kind === "row" ? [slot.line] : []));
  return h(
    Box,
    { flexDirection: "column", width: columns },
    h(
      Box,
      { flexShrink: 0 },
      h(Pane, { ...props, width: leftWidth, lines: pairs.map(({ own }) => own) }),
      h(Pane, { ...props, width: columns - leftWidth, lines: pairs.map(({ peer }) => peer) }),
    ),
    h(Lines, { lines, width: columns, colour }),
  );
}

/** A border takes one row or column at each side. */
const borders = 2;

function Pane({
  lines,
  width,
  colour,
  unicode,
}: {
  readonly lines: readonly Line[];
  readonly width: number;
  readonly colour: boolean;
  readonly unicode: boolean;
}): ReactElement {
  return h(
    Box,
    { borderStyle: unicode ? "round" : "classic", borderDimColor: colour, width, flexShrink: 0 },
    h(Lines, { lines, width: width - borders, colour }),
  );
}

/** Alerts and events beside the hosts, on a wide terminal. */
function News(props: MainProps): ReactElement {
  const { status, columns, rows, colour, unicode } = props;
  const width = columns - borders;
  const slots = [...alertRows(status, width), ...recentRows(status, width)];
  const lines = linesOf(keepFitting(slots, rows - borders));
  return h(
    Box,
    { borderStyle: unicode ? "round" : "classic", borderDimColor: colour, width: columns, height: rows, flexShrink: 0 },
    h(Lines, { lines, width, colour }),
  );
}

const keys: readonly (readonly [key: string, name: string, screen: Screen | null])[] = [
  ["q", "quit", null],
  ["h", "help", "help"],
  ["l", "log", "log"],
  ["y", "history", "history"],
  ["e", "events", "events"],
];

function footerLine({ view, columns, screen }: ScreenProps): Line {
  const left: Line = keys.flatMap(([key, name, its]) => [
    span(` ${key}`, "bold"),
    span(` ${name} `, its === screen ? "title" : "plain"),
  ]);
  const alerts = view.kind === "live" ? view.status.alerts.length : 0;
  const right = screen === "main" ? "" : "arrows: scroll, Esc: back ";
  const text = alerts === 0 ? right : `${plural(alerts, "alert")} ${right}`;
  return [...left, span(text.padStart(Math.max(0, columns - lengthOf(left))), alerts > 0 ? "bad" : "dim")];
}
