// Lines of styled spans as Ink's elements. Knows no domain word.

import { Box, Text } from "ink";
import type { TextProps } from "ink";
import { createElement as h } from "react";
import type { ReactElement } from "react";
import { fitLine } from "../spans.ts";
import type { Line, Style } from "../spans.ts";

const looks: Readonly<Record<Style, Partial<TextProps>>> = {
  plain: {},
  title: { inverse: true },
  bold: { bold: true },
  dim: { dimColor: true },
  good: { color: "green" },
  warn: { color: "yellow" },
  bad: { color: "red", bold: true },
};

/** One row of the terminal, cut or filled to `width`. */
export function StyledLine({
  line,
  width,
  colour,
}: {
  readonly line: Line;
  readonly width: number;
  readonly colour: boolean;
}): ReactElement {
  return h(
    Text,
    { wrap: "truncate" },
    ...fitLine(line, width).map((part, key) => h(Text, { key, ...(colour ? looks[part.style] : {}) }, part.text)),
  );
}

export interface LinesProps {
  readonly lines: readonly Line[];
  readonly width: number;
  readonly colour: boolean;
  /** Rows that are always taken, filled with empty ones. */
  readonly height?: number;
}

export function Lines({ lines, width, colour, height }: LinesProps): ReactElement {
  return h(
    Box,
    { flexDirection: "column", width, flexShrink: 0, ...(height === undefined ? {} : { height, overflow: "hidden" }) },
    ...lines.map((line, key) => h(StyledLine, { key, line, width, colour })),
  );
}
