// `iscsi-cfg resolve-split-brain`: both copies side by side, what is lost with the other one, its name typed by the person, and
// then the resync until it is through. Must never choose: without the name nothing happens.

import type { HostStatus, ResourceStatus, StatusDocument } from "../../core/model/status.ts";
import { describeClientError, watchDaemon } from "../../drivers/control/client.ts";
import { question } from "../ask-person.ts";
import { isInteractive } from "../context.ts";
import type { CliContext } from "../context.ts";
import { ask, note, tell } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { clean, clip, dateTime, duration, fit, size } from "../text.ts";

export interface ResolveOptions {
  readonly json?: boolean;
  /** Name of the host whose copies are given up; asked for on a terminal when left out. */
  readonly victim?: string;
  readonly snapshot: boolean;
  /** Waits until the copies agree again. */
  readonly follow: boolean;
}

export async function resolveSplitBrain(context: CliContext, options: ResolveOptions): Promise<ExitCode> {
  const json = options.json === true;
  const reply = await ask(context, { kind: "status" }, json);
  if (reply === null) return 1;
  if (reply.kind !== "status") return tell(context, reply, json) || 1;
  const { status } = reply;
  const { peer } = status;
  if (peer === null) {
    note(context, "Cannot compare the copies: the other host was not heard yet, expected both hosts in contact");
    return 1;
  }
  const show = json ? (text: string) => note(context, text) : context.out;
  show(comparison(status, peer, options.snapshot).join("\n"));
  const victim = options.victim ?? (await askForVictim(context, peer.name));
  if (typeof victim === "number") return victim;
  const done = await ask(context, { kind: "resolve-split-brain", victim, snapshot: options.snapshot }, json);
  if (done === null) return 1;
  const code = tell(context, done, json);
  return code === 0 && options.follow ? followResync(context) : code;
}

async function askForVictim(context: CliContext, peer: string): Promise<string | ExitCode> {
  if (!isInteractive(context)) {
    note(context, `Nothing was done: found no terminal to ask on, expected --victim ${clean(peer)} to confirm`);
    return 2;
  }
  const typed = await question(context, "Type the name of the host whose copy is given up, or Enter to quit: ");
  if (typed !== "") return typed;
  note(context, "Nothing was done.");
  return 1;
}

/** Both sides of every resource that is not connected. Pure. */
export function comparison(status: StatusDocument, peer: HostStatus, snapshot: boolean): readonly string[] {
  const { own } = status;
  const parted = own.resources.filter(({ view }) => view !== null && view.connection !== "Connected");
  if (parted.length === 0) {
    const both = own.owner === own.hostId && peer.owner === peer.hostId && own.epoch === peer.epoch;
    if (!both) return ["Every resource is connected: there is no split brain."];
    return [
      `Every resource is connected, but both hosts own the storage in epoch ${own.epoch}.`,
      `If you name ${clean(peer.name)}: it gives its ownership up, and no data is lost.`,
    ];
  }
  const silent = status.contact.inContact ? "" : "; silent, old data";
  const name = clean(peer.name);
  return [
    ...parted.flatMap((mine) => {
      const theirs = peer.resources.find((one) => one.name === mine.name);
      return [
        line(mine.name, `${own.name} (this host)`, `${peer.name}${silent}`),
        ...facts.map(([label, of]) => line(label, of(mine, own), theirs === undefined ? "unknown" : of(theirs, peer))),
        "",
      ];
    }),
    `If you name ${name}: every write that only ${name} has is lost, and ${name} is`,
    "filled from this host. To keep the other copy run this on the other host.",
    snapshot
      ? `Where the disk of ${name} is an LVM volume it is kept as a snapshot first.`
      : `NO snapshot of the disk of ${name} is made.`,
  ];
}

const labelWidth = 14;
const columnWidth = 32;

const line = (label: string, left: string, right: string): string =>
  `${fit(clean(label), labelWidth)}${fit(clean(left), columnWidth)} ${clip(clean(right), columnWidth)}`.trimEnd();

const facts: readonly (readonly [string, (one: ResourceStatus, host: HostStatus) => string])[] = [
  ["Role", ({ view }, { serving }) => (view === null ? "unknown" : `${view.role}${serving ? ", serving" : ""}`)],
  ["Disk", ({ view }) => view?.disk ?? "unknown"],
  ["Connection", ({ view }) => view?.connection ?? "unknown"],
  [
    "Record",
    ({ solo }, host) =>
      `${host.owner === host.hostId ? "owner" : "not owner"}, epoch ${host.epoch}${solo ? ", went on alone" : ""}`,
  ],
  ["Generation", ({ view }) => view?.generation?.current ?? "unknown"],
  ["  came from", ({ view }) => view?.generation?.bitmap ?? "unknown"],
  [
    "Last write",
    ({ view }) =>
      view?.lastWriteWallMs === undefined ? "not seen since tandemd started" : dateTime(view.lastWriteWallMs),
  ],
  ["Out of sync", ({ view }) => (view === null || view.outOfSyncKiB === null ? "unknown" : size(view.outOfSyncKiB))],
];

/** A line per tenth; ends when every copy agrees, or with the daemon. */
function followResync(context: CliContext): Promise<ExitCode> {
  return new Promise((resolve) => {
    const told = new Map<string, number>();
    const end = (code: ExitCode): void => {
      process.off("SIGINT", interrupted);
      watch.close();
      resolve(code);
    };
    const interrupted = (): void => {
      note(context, "The resync goes on without this command. See: iscsi-cfg status");
      end(0);
    };
    const watch = watchDaemon({
      path: context.socketPath,
      silenceMs: 10_000,
      onStatus: ({ own }) => {
        for (const { name, view, etaSeconds } of own.resources) {
          const done = view?.donePercent ?? null;
          const tenth = done === null ? null : Math.floor(done / 10) * 10;
          if (tenth === null || tenth === told.get(name)) continue;
          told.set(name, tenth);
          const eta = etaSeconds === null ? "" : `, about ${duration(etaSeconds * 1000)} more`;
          note(context, `... ${clean(name)}: ${tenth} % of the disk in sync${eta}`);
        }
        if (!own.resources.every(isWhole)) return;
        note(context, "Both copies agree.");
        end(0);
      },
      onEnd: (error) => {
        const { reason, next } = describeClientError(error);
        note(context, reason);
        note(context, `Next: ${next}`, "      ");
        end(1);
      },
    });
    process.once("SIGINT", interrupted);
  });
}

const isWhole = ({ view }: ResourceStatus): boolean =>
  view !== null &&
  view.connection === "Connected" &&
  view.replication === "Established" &&
  view.disk === "UpToDate" &&
  view.peerDisk === "UpToDate";
