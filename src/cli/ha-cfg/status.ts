// `ha-cfg status`: the state of HA in one block, and the question administrators know: yes, or Enter to quit.

import type { StatusDocument } from "../../core/model/status.ts";
import { question } from "../ask-person.ts";
import { isInteractive, textColumns } from "../context.ts";
import type { CliContext } from "../context.ts";
import { ask, note, run, tell } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { clean, clip, dateTime, duration, fit, plural, wrap } from "../text.ts";

export async function showHaStatus(
  context: CliContext,
  { json, mayAsk }: { readonly json: boolean; readonly mayAsk: boolean },
): Promise<ExitCode> {
  const reply = await ask(context, { kind: "status" }, json);
  if (reply === null) return 1;
  if (reply.kind !== "status") return tell(context, reply, json) || 1;
  const { status } = reply;
  if (json) {
    context.out(JSON.stringify(status, null, 2));
    return 0;
  }
  context.out(haBlock(status, context.wallMs()).join("\n"));
  if (!mayAsk || !isInteractive(context)) return 0;
  return toggle(context, status);
}

async function toggle(context: CliContext, { own }: StatusDocument): Promise<ExitCode> {
  if (own.ha === "leaving") {
    note(context, "HA is being switched off; the peer has not agreed yet. Nothing to ask now.");
    return 0;
  }
  const isOn = own.ha === "on";
  const answer = await question(
    context,
    `HA is ${isOn ? "enabled. Disable?" : "disabled. Enable?"} <yes or Enter to quit> `,
  );
  if (answer !== "yes") return 0;
  return run(context, { kind: isOn ? "disable" : "enable", force: false }, false);
}

/** Pure; every line at most 80 columns. */
export function haBlock(status: StatusDocument, now: number): string[] {
  const { own, hosts, vms, fencing } = status;
  const ageMs = Math.max(0, now - status.wallMs);
  const bar = "#".repeat(textColumns - 2);
  const said = { on: "ENABLED", off: "DISABLED", leaving: "BEING DISABLED (waiting for the peer)" }[own.ha];
  return [
    bar,
    ...boxed([
      `tandem on ${own.name}, ${dateTime(now)}`,
      `This shows whether HA is enabled for the pool. Whether the daemon runs:`,
      `systemctl status tandemd`,
    ]),
    bar,
    `Pool HA Status: ${said}`,
    ...(ageMs > 15_000 ? item("CAUTION", `this is ${duration(ageMs)} old; run: systemctl status tandemd`) : []),
    ...item("This host", `${own.name}: ${own.state}, ${roleOf(status)}, epoch ${own.epoch}`),
    ...item("", own.outcome),
    ...flagItems(status),
    ...hosts.map((host, index) => hostLine(host, index === 0)),
    ...item("Contact", contactOf(status)),
    ...item("Votes", votesOf(status)),
    ...witnessItems(status),
    ...item(
      "Fencing",
      `${fencing.method}, ${fencing.enabled ? "enabled" : "NOT ENABLED"}, ${readiness(fencing.ready)}: ${fencing.detail}`,
    ),
    ...item("Policy", `${status.policy.toUpperCase()}. ${status.policyNote}`),
    ...item("VMs", `${vms.protected} of ${vms.total} protected, ${vms.running} running`),
    ...item("Room", `${room(vms.survivorHasRoom)}: ${vms.detail}`),
    ...vms.down.flatMap(({ name, because }, index) => item(index === 0 ? "Down" : "", `${name}: ${because}`)),
    ...alertItems(status),
  ].map((line) => clip(line, textColumns));
}

const boxed = (texts: readonly string[]): string[] =>
  texts.map((text) => `## ${clean(text).padEnd(textColumns - 8)} ##`);

/** A name and a text that is folded beside it. */
function item(name: string, text: string): string[] {
  const width = 12;
  return wrap(clean(text), textColumns - width).map(
    (line, index) => `${(index === 0 && name !== "" ? `${name}:` : "").padEnd(width)}${line}`,
  );
}

/** Columns, so it is clipped and not folded. */
function hostLine(host: StatusDocument["hosts"][number], isFirst: boolean): string {
  const cells = [
    (isFirst ? "Hosts:" : "").padEnd(11),
    fit(clean(host.name), 16),
    fit(clean(host.address), 15),
    host.live ? "live    " : "NOT LIVE",
    host.enabled ? "enabled " : "disabled",
    host.master ? "master" : "supporter",
  ];
  return cells.join(" ");
}

/** It has no peer: it holds no copy of the storage, and talks to every host of the pool. */
const isMember = ({ own, contact, peer }: StatusDocument): boolean =>
  peer === null && contact.links.length === 0 && own.resources.length === 0;

function roleOf(status: StatusDocument): string {
  const { own } = status;
  const pool = own.xapiRole === "unknown" ? "pool role unknown" : `pool ${own.xapiRole}`;
  if (isMember(status)) return pool;
  return `${pool}, ${own.serving ? "serves the storage" : "does not serve the storage"}`;
}

function flagItems({ own, peer }: StatusDocument): string[] {
  const lines = [own, ...(peer === null ? [] : [peer])].flatMap(({ name, flags }) => [
    ...(flags.manual ? [`${name} is in MANUAL mode: roles are moved by hand only`] : []),
    ...(flags.maintenance ? [`${name} is in MAINTENANCE: it takes nothing over`] : []),
  ]);
  return lines.flatMap((line, index) => item(index === 0 ? "Mode" : "", line));
}

function contactOf(status: StatusDocument): string {
  const { contact, episode, peer, hosts } = status;
  if (isMember(status)) return `${hosts.filter((host) => host.live).length} of ${hosts.length} hosts answer here`;
  const links = contact.links.map(({ link, up }) => `${link} ${up ? "up" : "DOWN"}`).join(", ");
  if (contact.inContact) return `${peer?.name ?? "the peer"} answers; ${links}`;
  const silent = contact.silentMs === null ? "was never heard" : `has been silent for ${duration(contact.silentMs)}`;
  return `${peer?.name ?? "the peer"} ${silent}; ${links}${episode === null ? "" : `; waiting for: ${episode.waitingFor}`}`;
}

function votesOf(status: StatusDocument): string {
  const { heuristics, episode, policy, hosts } = status;
  if (isMember(status)) return `${Math.floor(hosts.length / 2) + 1} of the ${hosts.length} hosts are a majority`;
  const words = { yes: "answers", no: "DOES NOT ANSWER", unknown: "not asked yet" };
  const answer = (value: boolean | null): string => (value === null ? words.unknown : value ? words.yes : words.no);
  const pings = heuristics.map(({ address, answering }) => `${address} ${answer(answering)}`);
  const vote = episode === null ? "" : `; vote ${episode.vote.replace("-", " ")}`;
  if (policy === "witness") return `the witness is asked; the heuristic IPs play no part${vote}`;
  if (pings.length > 0) return `${pings.join(", ")} (all must answer)${vote}`;
  const missing = policy === "vote" || policy === "strict+vote";
  return `no heuristic IP is set${missing ? ": the vote always fails" : ""}${vote}`;
}

function witnessItems({ witnesses, own, peer }: StatusDocument): string[] {
  const names = new Map([own, ...(peer === null ? [] : [peer])].map(({ hostId, name }) => [hostId, name]));
  const lines = witnesses.map(({ address, answering, holder }) => {
    const answers = answering === null ? "not asked yet" : answering ? "answers" : "DOES NOT ANSWER";
    return `${address} ${answers}${holder === null ? "" : `; granted to ${names.get(holder) ?? holder}`}`;
  });
  return lines.flatMap((line, index) => item(index === 0 ? "Witness" : "", line));
}

const readiness = (ready: boolean | null): string =>
  ready === null ? "readiness unknown" : ready ? "ready" : "NOT READY";

function room(hasRoom: boolean | null): string {
  if (hasRoom === null) return "not known whether one host can run all protected VMs";
  return hasRoom ? "one host can run all protected VMs" : "NOT ENOUGH: one host cannot run all protected VMs";
}

function alertItems({ alerts }: StatusDocument): string[] {
  if (alerts.length === 0) return item("Alerts", "none");
  const lines = alerts.map((alert) => `${dateTime(alert.sinceWallMs)}: ${alert.text}`);
  return [...item("Alerts", plural(alerts.length, "alert")), ...lines.flatMap((line) => item("", line))];
}
