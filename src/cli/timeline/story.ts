// What a timeline tells: for each host the states it went through, how long the other one was silent, and the moments
// that count; for each VM when its writes stood still. Pure.

import type { Millis } from "../../core/model/time.ts";
import type { HostState } from "../../core/model/status.ts";

export interface TimelineEvent {
  /** From the beginning of the story; earlier ones are negative. */
  readonly atMs: Millis;
  readonly node: string;
  readonly event: string;
  readonly detail: string;
}

export type Tone = "calm" | "serving" | "moving" | "doubt" | "danger" | "off";

export interface Bar {
  readonly fromMs: Millis;
  readonly toMs: Millis;
  readonly tone: Tone;
  readonly label: string;
}

export interface Row {
  readonly label: string;
  readonly bars: readonly Bar[];
}

export interface Mark {
  /** Its number in the list below the picture. */
  readonly number: number;
  readonly atMs: Millis;
  readonly tone: Tone;
  readonly event: string;
  readonly detail: string;
}

export interface Lane {
  readonly node: string;
  readonly rows: readonly Row[];
  readonly marks: readonly Mark[];
}

export interface Story {
  readonly fromMs: Millis;
  readonly toMs: Millis;
  readonly lanes: readonly Lane[];
}

const STATE_TONES: Readonly<Record<HostState, Tone>> = {
  DISABLED: "calm",
  MANUAL: "calm",
  MAINTENANCE: "calm",
  JOINING: "moving",
  STANDBY: "calm",
  OWNER: "serving",
  OWNER_SOLO: "serving",
  SUSPECT_O: "doubt",
  SUSPECT_S: "doubt",
  FENCED_SELF: "danger",
  TAKING: "moving",
  RELEASING: "moving",
  BLOCKED: "danger",
};
const isHostState = (word: string): word is HostState => Object.hasOwn(STATE_TONES, word);

/** What a host must have been before the first state it told. */
const BEFORE: Partial<Readonly<Record<HostState, HostState>>> = {
  SUSPECT_O: "OWNER",
  OWNER_SOLO: "OWNER",
  RELEASING: "OWNER",
  FENCED_SELF: "OWNER",
  SUSPECT_S: "STANDBY",
  TAKING: "STANDBY",
};

/** Events that get a mark, by the beginning of their names. */
const MARKED: readonly (readonly [name: RegExp, tone: Tone])[] = [
  [/^(fault|power\.off|target\.died|storage\.failed|self-fence\.|fence\.failed|vote\.lost|vm\.failed)/, "danger"],
  [/^(peer\.(suspected|dead)|episode\.evidence|io\.suspended|handler\.waiting|fence\.requested)/, "doubt"],
  [/^(storage\.(activat|releas)|vip\.|epoch\.committed|witness\.(asked|granted|refused|released))/, "moving"],
  [/^(handler\.answered|io\.resumed|fence\.confirmed|xapi\.promoted|vm\.(starting|started|paused|unpaused))/, "moving"],
  [/^(heal|power\.on|peer\.contact|target\.restarted|maintenance\.step|io\.first)/, "serving"],
];
const toneOf = ({ event }: TimelineEvent): Tone | undefined => MARKED.find(([name]) => name.test(event))?.[1];

/** The lane of what the virtual machines saw, where somebody measured it. */
const VMS = "vm";
const STALL = /^(\S+).*?: (\d+) ms/;

/** Hosts in the order in which they first say something; what happens to none of them (a cable) is told first. */
export function storyOf(given: readonly TimelineEvent[]): Story {
  const events = given.toSorted((a, b) => a.atMs - b.atMs);
  const told = events.filter((one) => toneOf(one) !== undefined);
  const stalls = events.filter(({ node }) => node === VMS).flatMap(stallOf);
  const fromMs = Math.min(0, ...told.slice(0, 1).map(({ atMs }) => atMs), ...stalls.map(({ bar }) => bar.fromMs)) - 500;
  const toMs = Math.max(1_000, ...told.map(({ atMs }) => atMs), ...stalls.map(({ bar }) => bar.toMs)) + 500;
  const nodes = [...new Set(events.filter(({ node }) => node !== VMS).map(({ node }) => node))];
  const numbers = new Map(told.filter(({ node }) => node !== VMS).map((one, index) => [one, index + 1]));
  const lanes = nodes.toSorted(byKind(events)).map((node): Lane => {
    const own = events.filter((one) => one.node === node);
    return {
      node,
      rows: [statesOf(own, toMs, fromMs), silenceOf(own, toMs)].filter((row) => row.bars.length > 0),
      marks: own.flatMap((one) => {
        const [number, tone] = [numbers.get(one), toneOf(one)];
        if (number === undefined || tone === undefined) return [];
        return [{ number, tone, atMs: one.atMs, event: one.event, detail: one.detail }];
      }),
    };
  });
  const busy = lanes.filter(({ rows, marks }) => rows.length > 0 || marks.length > 0);
  const writes = vmLane(stalls);
  return { fromMs, toMs, lanes: writes === null ? busy : [...busy, writes] };
}

function byKind(events: readonly TimelineEvent[]): (a: string, b: string) => number {
  const isHost = (node: string): number =>
    Number(events.some((one) => one.node === node && one.event === "state.changed"));
  return (a, b) => isHost(a) - isHost(b) || a.localeCompare(b);
}

function statesOf(events: readonly TimelineEvent[], toMs: Millis, fromMs: Millis): Row {
  const changes = events.flatMap(({ atMs, event, detail }): { atMs: Millis; label: string; tone: Tone }[] => {
    if (event === "power.off") return [{ atMs, label: "off", tone: "off" }];
    if (event === "power.on") return [{ atMs, label: "booting", tone: "moving" }];
    if (event !== "state.changed") return [];
    const word = detail.split(":")[0] ?? "";
    return isHostState(word) ? [{ atMs, label: word, tone: STATE_TONES[word] }] : [];
  });
  const [first] = changes;
  if (first !== undefined) {
    const before = isHostState(first.label) ? (BEFORE[first.label] ?? null) : null;
    if (before !== null) changes.unshift({ atMs: fromMs, label: before, tone: STATE_TONES[before] });
  }
  const bars = changes.flatMap(({ atMs, label, tone }, index): Bar[] => {
    const next = changes[index + 1];
    if (changes[index - 1]?.label === label) return [];
    const end = changes.slice(index + 1).find((one) => one.label !== label) ?? next;
    const [from, to] = [Math.max(atMs, fromMs), Math.min(end?.atMs ?? toMs, toMs)];
    return to > from ? [{ fromMs: from, toMs: to, tone, label }] : [];
  });
  return { label: "state", bars };
}

/** From the missing heartbeats on, through "dead", until the other host answers or this one loses its own power. */
function silenceOf(events: readonly TimelineEvent[], toMs: Millis): Row {
  const bars: Bar[] = [];
  let from: { readonly atMs: Millis; readonly tone: Tone; readonly label: string } | null = null;
  const close = (atMs: Millis): void => {
    if (from !== null && atMs > from.atMs)
      bars.push({ fromMs: from.atMs, toMs: atMs, tone: from.tone, label: from.label });
    from = null;
  };
  for (const { atMs, event } of events) {
    if (event === "peer.suspected") {
      close(atMs);
      from = { atMs, tone: "doubt", label: "suspect" };
    } else if (event === "peer.dead") {
      close(atMs);
      from = { atMs, tone: "danger", label: "dead" };
    } else if (event === "peer.contact" || event === "power.off") close(atMs);
  }
  close(toMs);
  return { label: "peer is", bars };
}

interface Stall {
  readonly vm: string;
  readonly bar: Bar;
}

function stallOf({ atMs, event, detail }: TimelineEvent): readonly Stall[] {
  if (event !== "stall" && event !== "stall.other") return [];
  const [, vm, ms] = STALL.exec(detail) ?? [];
  if (vm === undefined || ms === undefined) return [];
  const tone = event === "stall" ? "danger" : "off";
  return [{ vm, bar: { fromMs: atMs, toMs: atMs + Number(ms), tone, label: `${ms} ms` } }];
}

function vmLane(stalls: readonly Stall[]): Lane | null {
  if (stalls.length === 0) return null;
  const names = [...new Set(stalls.map(({ vm }) => vm))].toSorted((a, b) => a.localeCompare(b));
  const rows = names.map((name) => ({
    label: name,
    bars: stalls.filter(({ vm }) => vm === name).map(({ bar }) => bar),
  }));
  return { node: "writes held", rows, marks: [] };
}
