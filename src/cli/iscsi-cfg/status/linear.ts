// The status line by line, one host after the other and nothing side by side: for screen readers, and for terminals that
// cannot be painted. Ages are left out, so that a line changes only when what it says changes. Pure.

import type { HostStatus, ResourceStatus, StatusDocument } from "../../../core/model/status.ts";
import { clock, duration } from "../../text.ts";
import { hostCells } from "./panes.ts";
import { policyName } from "./sections.ts";
import { textOf } from "./spans.ts";

/** Wide enough that no value is shortened for a pane. */
const valueWidth = 60;

export function linearLines(status: StatusDocument): readonly string[] {
  const { own, peer, contact, episode, alerts, fencing } = status;
  const hosts = peer === null ? [own] : [own, peer];
  return [
    `Policy: ${policyName(status)}.`,
    `${own.name}: ${own.outcome}.`,
    ...hosts.flatMap((host) => {
      let label = "";
      return hostCells(withoutProgress(host), valueWidth, host === own).map((cell) => {
        if (cell.label !== "") label = cell.label;
        return `${host.name}, ${label}: ${textOf(cell.value)}.`;
      });
    }),
    ...own.resources.flatMap(progressLine),
    peer === null ? "The peer was not heard yet." : `Floating IP: ${own.vip.address}, ${own.vip.state}.`,
    ...contact.links.map(({ link, up }) => `Link ${link}: ${up ? "up" : "DOWN"}.`),
    `Fencing: ${fencing.method}, ${fencing.ready === true ? "ready" : fencing.ready === false ? "NOT READY" : "not known"}; ${fencing.detail}.`,
    ...(episode === null ? [] : [`Outage: vote ${episode.vote}, waiting for ${waitingFor(episode)}.`]),
    ...alerts.map((alert) => `Alert since ${clock(alert.sinceWallMs)}: ${alert.text}.`),
  ];
}

/** A bar that moves each second says nothing to an ear; `progressLine` tells each tenth. */
const withoutProgress = (host: HostStatus): HostStatus => ({
  ...host,
  resources: host.resources.map((each) =>
    each.view === null ? each : { ...each, view: { ...each.view, donePercent: null, outOfSyncKiB: null } },
  ),
});

function progressLine({ name, view }: ResourceStatus): readonly string[] {
  if (view === null || view.donePercent === null) return [];
  return [`Resync of ${name}: ${Math.floor(view.donePercent / 10) * 10} percent done.`];
}

/** The countdown is in the sentence, and moves: only what is waited for counts as a change. */
const waitingFor = ({ waitingFor: text }: NonNullable<StatusDocument["episode"]>): string =>
  text.replaceAll(/\s*\([^)]* left\)/g, "");

/** What is new since the last document, and what is over. */
export function linearChanges(before: StatusDocument, after: StatusDocument): readonly string[] {
  const old = new Set(linearLines(before));
  const events = after.events.filter(
    (each) => !before.events.some((one) => one.wallMs === each.wallMs && one.detail === each.detail),
  );
  const ended = before.alerts.filter(({ id }) => !after.alerts.some((one) => one.id === id));
  return [
    ...linearLines(after).filter((line) => !old.has(line)),
    ...(before.episode !== null && after.episode === null
      ? [`The outage is over after ${duration(before.episode.sinceMs)}.`]
      : []),
    ...ended.map((alert) => `No longer: ${alert.text}.`),
    ...events.map((each) => `${clock(each.wallMs)} ${each.node} ${each.event} ${each.detail}`),
  ];
}
