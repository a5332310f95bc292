// What a schema found wrong in a YAML file, as problems a person can mend. Never quotes a value: it may be a secret.

import type * as z from "zod/mini";
import type { Problem } from "./problem.ts";
import type { Path, YamlText } from "./yaml-text.ts";

const pathText = (path: Path): string =>
  path.map((step, i) => (typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`)).join("");

export type MakeProblem = (path: Path, found: string, expected: string, action: string) => Problem;

export const problemsAt =
  ({ lineOf }: Pick<YamlText, "lineOf">): MakeProblem =>
  (path, found, expected, action) => ({
    path: path.length === 0 ? "the file" : pathText(path),
    line: lineOf(path),
    severity: "error",
    found,
    expected,
    action,
  });

export function schemaProblems({ issues }: z.core.$ZodError, problem: MakeProblem): readonly Problem[] {
  return issues.map((issue) => {
    const path = issue.path.filter((step) => typeof step !== "symbol");
    if (issue.code !== "unrecognized_keys") return problem(path, "something else", issue.message, "correct it");
    const found = `the unknown ${issue.keys.join(", ")}`;
    return problem(path, found, "known names only", "remove it or mind the spelling");
  });
}
