// What is wrong with a local file: every problem with its path and line.

import type * as z from "zod/mini";
import { quote, type Problem } from "./problem.ts";
import { nearestName } from "./suggest.ts";
import type { Path, YamlText } from "./yaml-text.ts";

const KNOWN_KEYS = [
  "pool",
  "hosts",
  "storage",
  "overrides",
  "uuid",
  "name",
  "management",
  "replication",
  "resource",
  "device",
  "lun",
  "scsi_id",
  "scsi_sn",
];

const pathText = (path: Path): string =>
  path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : text === "" ? step : `${text}.${step}`),
    "",
  ) || "the file";

export function itemAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (item, step) => (item !== null && typeof item === "object" ? Reflect.get(item, step) : undefined),
    data,
  );
}

export function foundText(item: unknown): string {
  if (item === undefined || item === null || item === "") return "nothing";
  if (typeof item === "string") return quote(item);
  if (Array.isArray(item)) return `a list of ${item.length}`;
  return "a section";
}

/** Collects problems with their lines. */
export function reporter(yaml: YamlText): {
  readonly problems: Problem[];
  add(path: Path, found: string, expected: string, action: string): void;
} {
  const problems: Problem[] = [];
  return {
    problems,
    add(path, found, expected, action): void {
      problems.push({ path: pathText(path), line: yaml.lineOf(path), severity: "error", found, expected, action });
    },
  };
}

export type Report = ReturnType<typeof reporter>;

export function reportShape(
  report: Report,
  data: unknown,
  issues: readonly z.core.$ZodIssue[],
  prefix: Path = [],
): void {
  for (const issue of issues) {
    const path = [...prefix, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))];
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        const near = nearestName(key, KNOWN_KEYS);
        report.add(
          [...path, key],
          "an unknown key",
          "a known key",
          near === null ? "remove it" : `did you mean ${near}?`,
        );
      }
      continue;
    }
    const item = itemAt(data, path.slice(prefix.length));
    report.add(path, foundText(item), issue.message, item === undefined ? "add it" : "correct it");
  }
}
