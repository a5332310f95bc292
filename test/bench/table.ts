// Measures a piece of work at several sizes and prints a table of 80 columns: processor time of this thread, because on a
// shared machine the clock on the wall counts everybody's work, and medians.

export interface Size {
  readonly name: string;
  /** How much work this is; time per unit shows whether it is linear. */
  readonly units: number;
  readonly run: () => void;
}

export interface Measured {
  readonly name: string;
  readonly units: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

/** The kernel counts a thread's time in steps of milliseconds: so many units are one reading. */
const UNITS_PER_READING = 20_000;

export function measure(sizes: readonly Size[], repeats: number): readonly Measured[] {
  // The first rounds compile; with the largest size first nothing is measured cold.
  for (const size of sizes.toReversed()) for (let i = 0; i < 3; i += 1) size.run();
  return sizes.map(({ name, units, run }) => {
    const rounds = Math.max(1, Math.round(UNITS_PER_READING / units));
    const times = Array.from({ length: repeats }, () => {
      const from = process.threadCpuUsage();
      for (let i = 0; i < rounds; i += 1) run();
      const { user, system } = process.threadCpuUsage(from);
      return (user + system) / 1_000 / rounds;
    });
    return { name, units, medianMs: median(times), worstMs: Math.max(...times) };
  });
}

/** The lower one of two in the middle; 0 of none. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;

/** Time per unit at the largest size against that at the smallest: 1 is linear, below 1 a fixed cost that is shared. */
export function growth(rows: readonly Measured[]): number {
  const per = (row: Measured | undefined): number => (row === undefined ? 0 : row.medianMs / row.units);
  return per(rows.at(-1)) / per(rows[0]);
}

export function table(title: string, unit: string, rows: readonly Measured[]): string {
  const line = (name: string, cells: readonly string[]): string =>
    name.padEnd(32) + cells.map((cell) => cell.padStart(12)).join("");
  const body = rows.map((row) =>
    line(row.name, [row.medianMs.toFixed(2), row.worstMs.toFixed(2), ((row.medianMs * 1000) / row.units).toFixed(1)]),
  );
  const last = `per ${unit}, largest against smallest size: ${growth(rows).toFixed(2)}`;
  return [title, line("", ["median ms", "worst ms", `µs per ${unit}`]), ...body, last].join("\n");
}
