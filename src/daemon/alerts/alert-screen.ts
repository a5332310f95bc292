// Flood control: which changes of a condition a person is told. Pure; times are wall-clock milliseconds, because the state
// outlives the daemon. The first raise is told at once; what repeats within the screen time is counted, and told once with
// its number when the time is over; an end is told once, and only of what was told before.

export interface Notice {
  readonly id: string;
  /** `repeated`: what was told before happened `repeats` times more. */
  readonly kind: "raised" | "repeated" | "over";
  readonly text: string;
  /** Raises that were not told one by one since the last notice. */
  readonly repeats: number;
  readonly sinceWallMs: number;
  readonly wallMs: number;
}

export interface Screened {
  readonly text: string;
  readonly isOpen: boolean;
  /** The last notice said "raised" or "repeated", not "over". */
  readonly toldOpen: boolean;
  /** Of the last notice. */
  readonly toldWallMs: number;
  readonly sinceWallMs: number;
  readonly repeats: number;
  /** Raised or confirmed by this run of the daemon; false after a restart. */
  readonly confirmed: boolean;
}

export type Screen = Readonly<Record<string, Screened>>;

export interface Step {
  readonly screen: Screen;
  readonly notices: readonly Notice[];
}

/** More conditions than that are not told apart any more: the oldest closed ones are forgotten. */
export const MAX_CONDITIONS = 300;

const without = (screen: Screen, id: string): Screen =>
  Object.fromEntries(Object.entries(screen).filter(([key]) => key !== id));

function notice(id: string, kind: Notice["kind"], one: Screened, wallMs: number): Notice {
  return { id, kind, text: one.text, repeats: one.repeats, sinceWallMs: one.sinceWallMs, wallMs };
}

/** A clock that was set back must not hold a notice for years. */
const isDue = (one: Screened, screenMs: number, wallMs: number): boolean =>
  wallMs - one.toldWallMs >= screenMs || one.toldWallMs > wallMs;

export function raise(screen: Screen, id: string, text: string, screenMs: number, wallMs: number): Step {
  const before = screen[id];
  const sinceWallMs = before?.isOpen === true ? before.sinceWallMs : wallMs;
  const base = { text, isOpen: true, sinceWallMs, confirmed: true };
  if (before === undefined) {
    const fresh: Screened = { ...base, toldOpen: true, toldWallMs: wallMs, repeats: 0 };
    const room = Object.keys(screen).length < MAX_CONDITIONS ? screen : withRoom(screen);
    return { screen: { ...room, [id]: fresh }, notices: [notice(id, "raised", fresh, wallMs)] };
  }
  // The same as before a restart of the daemon is no new event.
  const isNews = before.confirmed || !before.isOpen || before.text !== text;
  const now: Screened = { ...before, ...base, repeats: before.repeats + (isNews ? 1 : 0) };
  if (!isNews || !isDue(now, screenMs, wallMs)) return { screen: { ...screen, [id]: now }, notices: [] };
  return told(screen, id, now, now.toldOpen ? "repeated" : "raised", wallMs);
}

function told(screen: Screen, id: string, one: Screened, kind: Notice["kind"], wallMs: number): Step {
  const next = { ...one, toldOpen: kind !== "over", toldWallMs: wallMs, repeats: 0 };
  // The raise that is told now is not one of those that were not.
  const counted = kind === "raised" ? { ...one, repeats: Math.max(0, one.repeats - 1) } : one;
  return { screen: { ...screen, [id]: next }, notices: [notice(id, kind, counted, wallMs)] };
}

export function clear(screen: Screen, id: string, wallMs: number): Step {
  const before = screen[id];
  if (before === undefined || !before.isOpen) return { screen, notices: [] };
  const now = { ...before, isOpen: false, confirmed: true };
  if (!before.toldOpen) return { screen: { ...screen, [id]: now }, notices: [] };
  // The window goes on from the raise: a condition that comes and goes is told once in it.
  const ended = { ...now, toldOpen: false, repeats: 0 };
  return { screen: { ...screen, [id]: ended }, notices: [notice(id, "over", before, wallMs)] };
}

/** Called now and then: tells what was counted once its time is over, and forgets what is over and told. */
export function sweep(screen: Screen, screenMs: number, wallMs: number): Step {
  let next = screen;
  const notices: Notice[] = [];
  for (const [id, one] of Object.entries(screen)) {
    if (!isDue(one, screenMs, wallMs)) continue;
    if (one.repeats === 0) {
      if (!one.isOpen) next = without(next, id);
      continue;
    }
    // It came back in the meantime, and may be over already: one notice for all of it.
    const step = told(next, id, one, one.isOpen && !one.toldOpen ? "raised" : "repeated", wallMs);
    notices.push(...step.notices);
    next = one.isOpen ? step.screen : without(step.screen, id);
  }
  return { screen: next, notices };
}

/** After a restart nothing is confirmed yet; what is not raised again in time is over. */
export const afterRestart = (screen: Screen): Screen =>
  Object.fromEntries(Object.entries(screen).map(([id, one]) => [id, { ...one, confirmed: false }]));

export function endUnconfirmed(screen: Screen, wallMs: number): Step {
  let step: Step = { screen, notices: [] };
  for (const [id, one] of Object.entries(screen)) {
    if (one.confirmed || !one.isOpen) continue;
    const ended = clear(step.screen, id, wallMs);
    step = { screen: ended.screen, notices: [...step.notices, ...ended.notices] };
  }
  return step;
}

function withRoom(screen: Screen): Screen {
  const entries = Object.entries(screen).toSorted(
    ([, a], [, b]) => Number(a.isOpen) - Number(b.isOpen) || a.toldWallMs - b.toldWallMs,
  );
  return Object.fromEntries(entries.slice(entries.length - MAX_CONDITIONS + 1));
}
