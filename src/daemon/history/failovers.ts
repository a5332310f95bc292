// Which events belong to a failover, and what came of it. Pure: the same rule decides what is kept on disk while it happens
// and how it is grouped when it is read, so a restart in the middle changes nothing.

import type { Failover } from "../../drivers/control/answers.ts";
import type { Millis } from "../../core/model/time.ts";

export interface HistoryLine {
  /** Wall clock, for display only. */
  readonly wallMs: number;
  readonly node: string;
  readonly event: string;
  readonly detail: string;
}

/** Something begins that is worth a page in the history. */
const BEGINNINGS: ReadonlySet<string> = new Set([
  "peer.suspected",
  "storage.activating",
  "storage.releasing",
  "storage.failed",
  "handler.waiting",
  "io.suspended",
  "fence.requested",
  "self-fence.begun",
  "target.died",
  "vm.starting",
  "maintenance.step",
]);

/** What happens at the same time and says nothing about it. */
const NOISE =
  /^(peer\.dropped|action\.done|cycle\.|alert\.(un)?sent|config\.|control\.|log\.|vote\.passed|witness\.(gave|freed|learned))/;

/** Quiet for this long, and the hosts talk: it is over. */
const QUIET_MS: Millis = 60_000;
/** Over in any case: a host that stays away for good. */
const AWAY_MS: Millis = 24 * 3_600_000;
const MOST_EVENTS = 300;

interface Open {
  readonly lastMs: number;
  readonly count: number;
  /** The other host is silent. */
  readonly silent: boolean;
}

interface Verdict {
  /** Belongs to a failover. */
  readonly keep: boolean;
  readonly begins: boolean;
  readonly open: Open | null;
}

const isOver = (open: Open, wallMs: number): boolean => wallMs - open.lastMs > (open.silent ? AWAY_MS : QUIET_MS);

export function judgeLine(before: Open | null, { wallMs, event }: HistoryLine): Verdict {
  const open = before === null || isOver(before, wallMs) ? null : before;
  const begins = open === null && BEGINNINGS.has(event);
  if (NOISE.test(event) || (open === null && !begins)) return { keep: false, begins: false, open };
  const silent = event === "peer.suspected" || (event !== "peer.contact" && open?.silent === true);
  const count = (open?.count ?? 0) + 1;
  return { keep: count <= MOST_EVENTS || event === "peer.contact", begins, open: { lastMs: wallMs, count, silent } };
}

/** The failovers of these lines, the oldest first. Lines that belong to none are left out. */
export function failoversOf(lines: readonly HistoryLine[], nowWallMs: number): readonly Failover[] {
  const found: HistoryLine[][] = [];
  let open: Open | null = null;
  for (const line of lines) {
    const verdict: Verdict = judgeLine(open, line);
    open = verdict.open;
    if (!verdict.keep) continue;
    if (verdict.begins) found.push([line]);
    else found.at(-1)?.push(line);
  }
  const last = open;
  return found.flatMap((events, index) => {
    const [first] = events;
    if (first === undefined) return [];
    const over = index < found.length - 1 || last === null || isOver(last, nowWallMs);
    return [
      {
        startWallMs: first.wallMs,
        endWallMs: events.at(-1)?.wallMs ?? first.wallMs,
        node: first.node,
        isOver: over,
        summary: summaryOf(events),
        events: events.map(({ wallMs, event, detail }) => ({ wallMs, event, detail })),
      },
    ];
  });
}

/** What each of these says about the outcome, in the order of telling. */
const OUTCOMES: readonly (readonly [event: string, words: string])[] = [
  ["fence.confirmed", "the other host was proven to be off"],
  ["fence.failed", "the other host could not be proven to be off"],
  ["epoch.committed", "this host went on alone"],
  ["self-fence.complete", "this host stopped serving to protect the data"],
  ["storage.failed", "moving the storage failed"],
  ["storage.released", "this host gave the storage away"],
  ["storage.activated", "this host took the storage"],
  ["xapi.promoted", "this host became the pool master"],
  ["vm.started", "VMs were started here"],
  ["vm.failed", "VMs could not be started"],
  ["target.restarted", "the iSCSI target was started again"],
];

function summaryOf(events: readonly HistoryLine[]): string {
  const seen = new Set(events.map(({ event }) => event));
  const outcomes = OUTCOMES.flatMap(([event, words]) => (seen.has(event) ? [words] : []));
  const silentSince = events.find(({ event }) => event === "peer.suspected")?.wallMs;
  const backAt = events.findLast(({ event }) => event === "peer.contact")?.wallMs;
  const silence =
    silentSince === undefined
      ? []
      : [
          backAt === undefined
            ? "the other host fell silent"
            : `the other host was silent for ${Math.max(0, Math.round((backAt - silentSince) / 100) / 10)} s`,
        ];
  if (outcomes.length > 0) return [...silence, ...outcomes].join("; ");
  if (silence.length > 0) return `${silence.join("")}; nothing was moved`;
  return events[0]?.detail ?? "";
}
