// One thing that a setup does on a host: a file, or a command. What is so already is no step.

import type { Millis } from "../../core/model/time.ts";

export interface FileStep {
  readonly kind: "file";
  readonly title: string;
  readonly path: string;
  readonly content: string;
  readonly mode: number;
  /** Null: there was none. */
  readonly before: string | null;
}

export interface CommandStep {
  readonly kind: "command";
  readonly title: string;
  readonly argv: readonly [string, ...string[]];
  readonly deadlineMs: Millis;
  /** HOST:DISK whose content it destroys; a person must have typed it. */
  readonly destroys: string | null;
  /** What takes it back; null when nothing has to be. */
  readonly undo: readonly [string, ...string[]] | null;
}

export type Step = FileStep | CommandStep;

/** What stands in the way: nothing is done on either host while there is one. */
export interface Obstacle {
  readonly what: string;
  readonly next: string;
}

/** Data that would be lost, and by what name a person agrees to that. */
export interface DataAtRisk {
  /** HOST:DISK, as it has to be typed. */
  readonly name: string;
  readonly found: readonly string[];
}

export interface HostPlan {
  readonly host: string;
  readonly steps: readonly Step[];
  /** What is as it should be, in a few words each. */
  readonly already: readonly string[];
  readonly obstacles: readonly Obstacle[];
  /** Null: nothing of anybody's is there, or it was named. */
  readonly atRisk: DataAtRisk | null;
}

/** A plan as it is shown, also on the other host: without the texts that hold secrets. */
export interface ShownPlan {
  readonly host: string;
  readonly steps: readonly ShownStep[];
  readonly already: readonly string[];
  readonly obstacles: readonly Obstacle[];
  readonly atRisk: DataAtRisk | null;
  /** The disk holds nothing at all. */
  readonly isBlank: boolean;
}

export type ShownStep =
  | {
      readonly kind: "file";
      readonly title: string;
      readonly path: string;
      readonly isNew: boolean;
      /** The lines that are added and taken away, with "+" and "-"; secrets are hidden. */
      readonly change: readonly string[];
    }
  | { readonly kind: "command"; readonly title: string; readonly command: string; readonly destroys: string | null };

/** `hide` is the text that nobody may see; empty: there is none. */
export function show(plan: HostPlan, isBlank: boolean, hide: string): ShownPlan {
  const { host, already, obstacles, atRisk } = plan;
  return { host, already, obstacles, atRisk, isBlank, steps: plan.steps.map((step) => showStep(step, hide)) };
}

function showStep(step: Step, hide: string): ShownStep {
  if (step.kind === "command") {
    const { kind, title, argv, destroys } = step;
    return { kind, title, command: argv.map(quoted).join(" "), destroys };
  }
  const { kind, title, path, before, content } = step;
  const seen = (text: string): string => (hide === "" ? text : text.replaceAll(hide, "(secret)"));
  return { kind, title, path, isNew: before === null, change: changeOf(seen(before ?? ""), seen(content)) };
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`);

/** Lines between the common beginning and the common end. Enough for files that are new or get a few lines. */
function changeOf(before: string, after: string): readonly string[] {
  const old = lines(before);
  const fresh = lines(after);
  let from = 0;
  while (from < old.length && from < fresh.length && old[from] === fresh[from]) from++;
  let tail = 0;
  while (tail < old.length - from && tail < fresh.length - from && old.at(-1 - tail) === fresh.at(-1 - tail)) tail++;
  return [
    ...old.slice(from, old.length - tail).map((line) => `- ${line}`),
    ...fresh.slice(from, fresh.length - tail).map((line) => `+ ${line}`),
  ];
}

const lines = (text: string): readonly string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
