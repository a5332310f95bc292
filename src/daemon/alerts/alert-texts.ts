// The words of alerts: subjects and bodies of mails, bodies of xapi messages. Pure.

import type { Notice } from "./alert-screen.ts";

export interface Place {
  readonly hostName: string;
  readonly poolId: string;
  readonly version: string;
}

/** Which LOG_, MAIL_ and PRIORITY_ switches an alert obeys, by the part of its id before a colon. */
export const AREAS: Readonly<Record<string, string>> = {
  fencing: "fence",
  fence: "fence",
  lost: "peer",
  management: "peer",
  address: "peer",
  "refused-packets": "peer",
  "owner-lost": "storage",
  "auto-release": "storage",
  flapping: "storage",
  "fence-path": "fence",
  "self-fence": "self_fence",
  watchdog: "watchdog",
  "split-brain": "drbd",
  "vip-conflict": "vip",
  portal: "target",
  "io-suspended": "io",
  "sr-unplugged": "storage",
  "drbd-apart": "drbd",
  "drbd-module": "drbd",
  witness: "witness",
  "witness-held": "witness",
  disk: "drbd",
  smart: "storage",
  replication: "drbd",
  vote: "vote",
  "vm-down": "vm",
  "vm-strayed": "vm",
  overcommit: "vm",
  "custom-field": "mode",
  config: "config",
  "config-problems": "config",
};

export const areaOfAlert = (id: string): string => AREAS[id.split(":")[0] ?? ""] ?? "alert";

const STORAGE_AREAS: readonly string[] = ["storage", "drbd", "io", "handler", "vip", "target"];
/** Storage alerts go to the storage part's addresses (MAIL_USE_SHARED_PARAMS=0). */
export const isStorageArea = (area: string): boolean => STORAGE_AREAS.includes(area);

const WORDS: Readonly<Record<Notice["kind"], string>> = { raised: "raised", repeated: "repeated", over: "over" };

const MAX_TEXT = 2_000;
const time = (wallMs: number): string => new Date(wallMs).toISOString().replace("T", " ").slice(0, 19);
const times = (count: number): string => (count === 1 ? "once" : `${count} times`);

/** `template` is MAIL_SUBJECT. */
export function mailSubject(template: string, place: Place, notices: readonly Notice[]): string {
  const head = template.replaceAll("$HOSTNAME", place.hostName);
  const [only] = notices;
  if (only === undefined) return head;
  return notices.length === 1 ? `${head} ${only.id} ${WORDS[only.kind]}` : `${head} ${notices.length} alerts`;
}

export function noticeText(one: Notice): string {
  const text = one.text.slice(0, MAX_TEXT);
  switch (one.kind) {
    case "raised":
      return one.repeats === 0 ? text : `${text} (and ${times(one.repeats)} before that, since the last message)`;
    case "repeated":
      return `${text} (${times(one.repeats)} more since the last message)`;
    case "over":
      return `No longer so: ${text}`;
  }
}

export function mailBody(place: Place, notices: readonly Notice[], dropped: number): string {
  const paragraphs = notices.map((one) =>
    [
      noticeText(one),
      `  condition  ${one.id} (${WORDS[one.kind]})`,
      `  since      ${time(one.sinceWallMs)} UTC`,
      ...(one.kind === "over" ? [`  over       ${time(one.wallMs)} UTC`] : []),
    ].join("\n"),
  );
  const lost = dropped === 0 ? [] : [`${dropped} older alerts could not be delivered and were dropped; see the log.`];
  return [
    ...paragraphs,
    ...lost,
    [
      "--",
      `tandem ${place.version} on ${place.hostName}, pool ${place.poolId}`,
      "What it does now: ha-cfg status, iscsi-cfg status. The log: ha-cfg log",
    ].join("\n"),
  ].join("\n\n");
}
