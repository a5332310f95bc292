// The status as one plain picture, for pipes, files and `--once`: both hosts side by side, then what belongs to the pair.
// A pure function of the document, the width and the time.

import type { StatusDocument } from "../../../core/model/status.ts";
import { panePairs } from "./panes.ts";
import { alertRows, factRows, outcomeRows, policyName, recentRows, titleLine } from "./sections.ts";
import type { Frame } from "./sections.ts";
import { fitLine, paint, span } from "./spans.ts";
import type { Line } from "./spans.ts";
import { staleRows } from "./warnings.ts";

export interface PictureOptions extends Frame {
  readonly colour: boolean;
}

const between = " | ";
/** Newest events in a picture; the log has all. */
const eventsShown = 20;

/** Lines of at most `columns` characters. */
export function renderPicture(status: StatusDocument, options: PictureOptions): string[] {
  return linesOf(status, options).map((line) => paint(fitLine(line, options.columns), options.colour));
}

function linesOf(status: StatusDocument, frame: PictureOptions): Line[] {
  const { columns } = frame;
  const ageMs = Math.max(0, frame.now - status.wallMs);
  if (ageMs > frame.toleranceMs)
    return [titleLine(status.own.name, frame), [], ...staleRows(status, ageMs, frame).map(({ line }) => line)];
  const width = Math.floor((columns - between.length) / 2);
  const rule: Line = [span("-".repeat(columns), "dim")];
  const rows = [
    ...factRows(status, ageMs, frame),
    ...alertRows(status, columns),
    ...recentRows(status, columns).slice(0, eventsShown),
  ];
  return [
    titleLine(`${status.own.name}  policy ${policyName(status)}`, frame),
    ...outcomeRows(status, columns).map(({ line }) => line),
    rule,
    ...panePairs(status, ageMs, width).map(({ own, peer }) => [
      ...fitLine(own, width),
      span(between, "dim"),
      ...fitLine(peer, width),
    ]),
    rule,
    ...rows.map(({ line }) => line),
  ];
}
