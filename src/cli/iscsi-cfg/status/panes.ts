// The two node panes of the dashboard: own host left, peer right, the same rows in both. Pure.

import type { HostState, HostStatus, ResourceStatus, StatusDocument } from "../../../core/model/status.ts";
import type { Millis } from "../../../core/model/time.ts";
import { drbdNotes } from "./drbd-notes.ts";
import { clip, duration, plural, size } from "../../text.ts";
import { gauge, span } from "./spans.ts";
import type { Line, Span, Style } from "./spans.ts";

/** One fact about one host. */
export interface Cell {
  /** Begins with its place, so that rows only one host has stand where they belong. */
  readonly key: string;
  readonly label: string;
  readonly value: Line;
  /** What goes first when the screen is small: the highest; 0 never. */
  readonly drop: number;
}

/** The same row of both panes. */
export interface PanePair {
  readonly own: Line;
  readonly peer: Line;
  readonly drop: number;
}

const labelWidth = 8;

/** `width`: characters in one pane. The first pair is the heading. */
export function panePairs(status: StatusDocument, ageMs: Millis, width: number): readonly PanePair[] {
  const silent = !status.contact.inContact;
  const own = byKey(hostCells(status.own, width - labelWidth, true));
  const peer = byKey(status.peer === null ? [] : hostCells(status.peer, width - labelWidth, false));
  const keys = [...new Set([...own.keys(), ...peer.keys()])].toSorted();
  const rows = keys.map((key): PanePair => {
    const right = paneLine(peer.get(key));
    return {
      own: paneLine(own.get(key)),
      peer: silent ? right.map((part): Span => ({ ...part, style: "dim" })) : right,
      drop: own.get(key)?.drop ?? peer.get(key)?.drop ?? 0,
    };
  });
  return [{ own: heading(status, ageMs, true), peer: heading(status, ageMs, false), drop: 0 }, ...rows];
}

const byKey = (cells: readonly Cell[]): ReadonlyMap<string, Cell> => new Map(cells.map((each) => [each.key, each]));

function heading({ own, peer, contact }: StatusDocument, ageMs: Millis, isOwn: boolean): Line {
  if (isOwn) return [span(`${own.name} (this host)`, "bold")];
  if (peer === null) return [span("peer: not heard yet", "warn")];
  if (contact.inContact) return [span(`${peer.name} (peer)`, "bold")];
  const silent = contact.silentMs === null ? "never heard" : `silent ${duration(contact.silentMs + ageMs)}`;
  return [span(`${peer.name} (peer, ${silent}: old data)`, "warn")];
}

function paneLine(cell: Cell | undefined): Line {
  if (cell === undefined) return [];
  return [span(clip(cell.label, labelWidth - 1).padEnd(labelWidth), "dim"), ...cell.value];
}

/** What is said of one host; `width` is what a value may take. */
export function hostCells(host: HostStatus, width: number, isOwn: boolean): Cell[] {
  const running = host.domains.filter((domain) => !domain.paused).length;
  const paused = host.domains.length - running;
  const flags = [host.flags.manual ? "MANUAL" : "", host.flags.maintenance ? "MAINTENANCE" : ""].filter(
    (flag) => flag !== "",
  );
  const haStyle: Style = host.ha === "on" ? "good" : "warn";
  return [
    cell("1", "State", [span(host.state, stateStyle(host.state)), span(host.serving ? ", serving" : "")]),
    cell("2", "Pool", [span(`${host.xapiRole}, epoch ${host.epoch}, HA `), span(host.ha, haStyle)]),
    cell("3", "Mode", [flags.length === 0 ? span("automatic") : span(flags.join(", "), "warn")]),
    ...host.resources.flatMap((resource, index) =>
      resourceCells(resource, `4.${String(index).padStart(3, "0")}`, width),
    ),
    ...targetCells(host),
    cell(
      "7",
      "Guard",
      [
        span(`watchdog ${host.watchdog}${host.eligible ? "; may serve" : ""}`),
        host.eligible ? span("") : span("; NOT eligible", "warn"),
      ],
      5,
    ),
    cell("8", "VMs", [span(`${running} running`), paused === 0 ? span("") : span(`, ${paused} PAUSED`, "warn")], 5),
    cell("9", "Daemon", [span(daemonText(host, isOwn))], 4),
  ];
}

const cell = (key: string, label: string, value: Line, drop = 0): Cell => ({ key, label, value, drop });

function daemonText(host: HostStatus, isOwn: boolean): string {
  const pid = host.pid === null ? "" : ` pid ${host.pid}`;
  const drbd = host.drbdVersion === null ? (isOwn ? " DRBD ?" : "") : ` DRBD ${host.drbdVersion}`;
  return `${host.version}${pid}${drbd}`;
}

function targetCells(host: HostStatus): Cell[] {
  const { state, expected, pid, sessions } = host.target;
  // "warm" runs too: without a disk, on the loopback address only.
  const wanted = expected === "stopped" ? "stopped" : "running";
  const style: Style = state === "unknown" ? "plain" : state === wanted ? "good" : "bad";
  const detail = [sessions === null ? "" : plural(sessions, "session"), pid === null ? "" : `pid ${pid}`];
  const shown = detail.filter((part) => part !== "");
  return [
    cell("5", "Target", [span(state, style), span(` [expected ${expected}]`)]),
    ...(shown.length === 0 ? [] : [cell("6", "", [span(shown.join(", "))], 4)]),
  ];
}

function resourceCells(resource: ResourceStatus, place: string, width: number): Cell[] {
  const { view } = resource;
  if (view === null)
    return [cell(`${place}.a`, resource.name, [span(`unknown: ${resource.why ?? "no reason given"}`, "warn")])];
  const disk: Style = view.disk === "UpToDate" ? "good" : view.disk === "Consistent" ? "warn" : "bad";
  const linked: Style = view.connection === "Connected" ? "good" : "bad";
  const solo = resource.solo ? [span(" solo", "warn")] : [];
  const replication = view.replication === "Established" || view.replication === "Off" ? "" : ` ${view.replication}`;
  return [
    cell(`${place}.a`, resource.name, [span(view.role, "bold"), span(" "), span(view.disk, disk), ...solo]),
    cell(`${place}.b`, "", [span(view.connection, linked), span(replication)], 3),
    ...drbdNotes(view).map(({ text, style }, index) =>
      cell(`${place}.c${index}`, "", [span(text, style)], index === 0 ? 0 : 2),
    ),
    ...(view.donePercent === null ? [] : [cell(`${place}.d`, "", resync(resource, view.donePercent, width))]),
    ...(view.donePercent === null && view.outOfSyncKiB !== null && view.outOfSyncKiB > 0
      ? [cell(`${place}.e`, "", [span(`${size(view.outOfSyncKiB)} out of sync`, "warn")], 3)]
      : []),
  ];
}

function resync({ view, etaSeconds }: ResourceStatus, percent: number, width: number): Line {
  const eta = etaSeconds === null ? "ETA ?" : `ETA ${duration(etaSeconds * 1000)}`;
  const left = view?.outOfSyncKiB === null || view === null ? "" : ` ${size(view.outOfSyncKiB)} left`;
  const short = ` ${percent.toFixed(1)}% ${eta}`;
  const long = `${short}${left}`;
  const text = width - long.length >= 12 ? long : short;
  return [gauge(percent / 100, width - text.length, "warn"), span(text)];
}

function stateStyle(state: HostState): Style {
  switch (state) {
    case "OWNER":
    case "STANDBY":
    case "OWNER_SOLO":
      return "good";
    case "BLOCKED":
    case "FENCED_SELF":
      return "bad";
    default:
      return "warn";
  }
}
