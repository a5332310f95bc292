// YAML text to plain data plus the line of every item. Scalars stay text: a scsi_id of 0000000000 must not become 0.

import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document } from "yaml";
import { err, ok, type Result } from "../util/result.ts";
import type { Problem } from "./problem.ts";

export type Path = readonly (string | number)[];

export interface YamlText {
  /** Maps, lists and strings only. */
  readonly data: unknown;
  /** Line of the item at `path`; of its nearest parent when it is missing; null when nothing is there. */
  lineOf(path: Path): number | null;
}

function offsetOf(document: Document, path: Path): number | null {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? null) : null;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === step);
      if (pair === undefined) return offset;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number") {
      node = node.items[step];
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

/** All syntax errors at once, each with its line. */
export function readYaml(text: string): Result<YamlText, readonly Problem[]> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
  });
  const problems = [...document.errors, ...document.warnings].map((error): Problem => ({
    path: "the YAML text",
    line: lines.linePos(error.pos[0]).line,
    severity: "error",
    found: error.message.split("\n")[0] ?? "a syntax error",
    expected: "well-formed YAML",
    action: "correct this line (indent with spaces, one `key: value` per line)",
  }));
  if (problems.length > 0) return err(problems);
  try {
    const data: unknown = document.toJS({ maxAliasCount: 20 });
    return ok({
      data,
      lineOf(path: Path): number | null {
        const offset = offsetOf(document, path);
        return offset === null ? null : lines.linePos(offset).line;
      },
    });
  } catch (error) {
    // yaml throws on an alias without anchor and on aliases that multiply (billion laughs).
    const found = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    return err([
      {
        path: "the YAML text",
        line: null,
        severity: "error",
        found,
        expected: "a file without aliases",
        action: "write the values out",
      },
    ]);
  }
}
