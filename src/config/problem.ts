// One finding about a configuration, worded so that the reader knows what to change. Never holds the value of a secret.

export interface Problem {
  /** Where: `storage.DRBD_VIRTUAL_IP`, `hosts[1].uuid`, `pool tandem:T_DEAD`. */
  readonly path: string;
  /** Line of the local file, counted from 1; null when it did not come from there. */
  readonly line: number | null;
  readonly severity: "error" | "warning";
  readonly found: string;
  readonly expected: string;
  /** What to do about it. */
  readonly action: string;
}

/** One sentence per problem: place, found, expected, what to do. */
export function describeProblem(problem: Problem): string {
  const line = problem.line === null ? "" : ` (line ${problem.line})`;
  return `Cannot use ${problem.path}${line}: found ${problem.found}, expected ${problem.expected}; ${problem.action}`;
}

/** Long and control characters have no place in an error message. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(short);
}
