// The two node panes of the dashboard: own host left, peer right, the same rows in both. Pure.

import type { HostState, HostStatus, ResourceStatus, StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import { clip, duration, plural, size } from "../text.ts";
import { fitLine, span } from "./spans.ts";
import type { Line, Span, Style } from "./spans.ts";

interface Cell {
  readonly key: string;
  readonly label: string;
  readonly value: Line;
  readonly drop: number;
}

const labelWidth = 8;
const between = " | ";

/** One line per row; `drop` as in the renderer: the highest goes first when the screen is small. */
export function panes(
  status: StatusDocument,
  ageMs: Millis,
  columns: number,
): { readonly line: Line; readonly drop: number }[] {
  const width = Math.floor((columns - between.length) / 2);
  const silent = !status.contact.inContact;
  const own = cells(status.own, width - labelWidth, true);
  const peer = status.peer === null ? [] : cells(status.peer, width - labelWidth, false);
  const peerCells = new Map(peer.map((cell) => [cell.key, cell]));
  const ownKeys = new Set(own.map((cell) => cell.key));
  const left = new Map(own.map((cell) => [cell.key, cell]));
  const keys = [...own, ...peer.filter((cell) => !ownKeys.has(cell.key))];
  const joined = keys.toSorted(byPlace).map(({ key, drop }) => ({
    line: join(paneLine(left.get(key)), paneLine(peerCells.get(key)), width, silent),
    drop,
  }));
  return [
    { line: join(heading(status, ageMs, true), heading(status, ageMs, false), width, false), drop: 0 },
    ...joined,
  ];
}

/** Keys begin with their place, so that rows only one host has stand where they belong. */
const byPlace = (a: Cell, b: Cell): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

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

function join(left: Line, right: Line, width: number, dimRight: boolean): Line {
  const shown = dimRight ? right.map((part): Span => ({ ...part, style: "dim" })) : right;
  return [...fitLine(left, width), span(between, "dim"), ...fitLine(shown, width)];
}

function cells(host: HostStatus, width: number, isOwn: boolean): Cell[] {
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
    ...(view.suspended ? [cell(`${place}.c`, "", [span("I/O SUSPENDED", "bad")])] : []),
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
  const room = Math.max(4, Math.min(40, width - text.length - 2));
  const done = Math.min(room, Math.max(0, Math.round((percent / 100) * room)));
  return [span(`[${"#".repeat(done)}${".".repeat(room - done)}]`, "warn"), span(text)];
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
