// Which branches of the decision rules a run has taken: V8's own block coverage of src/core/decide, summed up per file and
// the rules its first comment names. The core needs no counters for it.

import { readFileSync } from "node:fs";
import { Session, type Profiler } from "node:inspector";
import { fileURLToPath } from "node:url";

export interface Branch {
  readonly file: string;
  readonly line: number;
  readonly taken: boolean;
}

export interface FileCoverage {
  readonly file: string;
  readonly rules: string;
  readonly branches: number;
  readonly taken: number;
  /** Lines on which an untaken branch begins. */
  readonly missing: readonly number[];
  /** Its text, line by line, without indents. */
  readonly lines: readonly string[];
}

export interface CoverageRun {
  end(): readonly Branch[];
}

/** The rules of the pair, and the pool's own. */
const CORE = fileURLToPath(new URL("../../src/core/", import.meta.url));
const DECISIONS = /\/src\/core\/(decide|pool)\//;

/** Counts from here on. Costs speed: for a sample of the schedules, not for all. */
export function beginCoverage(): CoverageRun {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  return {
    end() {
      let found: readonly Profiler.ScriptCoverage[] = [];
      session.post("Profiler.takePreciseCoverage", (error, { result }) => {
        if (error !== null) throw error;
        found = result;
      });
      session.disconnect();
      return found.filter(({ url }) => DECISIONS.test(url)).flatMap(branchesOf);
    },
  };
}

/** Every block that V8 tells apart inside the functions of one file; a function that never ran is one untaken branch. */
function branchesOf({ url, functions }: Profiler.ScriptCoverage): Branch[] {
  const path = fileURLToPath(url);
  const text = readFileSync(path, "utf8");
  const line = (offset: number): number => text.slice(0, offset).split("\n").length;
  // The first function is the module itself.
  return functions.slice(1).flatMap(({ ranges }) =>
    ranges.map(({ startOffset, count }) => ({
      file: path.slice(CORE.length),
      line: line(startOffset),
      taken: count > 0,
    })),
  );
}

/** A branch is taken when any worker took it. V8 reports only blocks whose count differs from the block around them. */
export function summarise(branches: readonly Branch[]): readonly FileCoverage[] {
  const files = new Map<string, Map<number, boolean>>();
  for (const { file, line, taken } of branches) {
    const lines = files.get(file) ?? new Map<number, boolean>();
    files.set(file, lines);
    lines.set(line, taken || lines.get(line) === true);
  }
  return [...files]
    .map(([file, lines]) => {
      const missing = [...lines].filter(([, taken]) => !taken).map(([at]) => at);
      return {
        file,
        rules: rulesOf(CORE + file),
        branches: lines.size,
        taken: lines.size - missing.length,
        missing: missing.toSorted((a, b) => a - b),
        lines: readFileSync(CORE + file, "utf8")
          .split("\n")
          .map((text) => text.trim()),
      };
    })
    .toSorted((a, b) => a.file.localeCompare(b.file));
}

function rulesOf(path: string): string {
  const header = readFileSync(path, "utf8").split("\n\n")[0] ?? "";
  const named = [...header.matchAll(/\b[DAV]\d+(?:–[DAV]\d+)?/g)].map(([rule]) => rule);
  return named.length === 0 ? "–" : named.join(" ");
}
