// What the help of the live screen says. Pure.

import { wrap } from "../../../text.ts";
import { span } from "../spans.ts";
import type { Line } from "../spans.ts";

const keys: readonly (readonly [string, string])[] = [
  ["q, Ctrl-C", "quit"],
  ["h, ?", "this help"],
  ["l", "the log of tandemd as it grows"],
  ["y", "past failovers and moves with their timeline"],
  ["e", "the last events"],
  ["arrows", "scroll; also PgUp, PgDn, j, k"],
  ["Esc", "back to the two hosts; the same key does it too"],
];

const words: readonly string[] = [
  "Own host left, peer right. The peer's side comes from its last heartbeat; when it is silent the side is dim and its age is shown.",
  "EPISODE: the hosts do not hear one another. The lease is how long this host may still serve on its own; the vote and the takeover countdown say what happens next.",
  "solo: the peer's copy is behind or barred, this host may serve alone.",
  "Expected target: running where the storage is served, warm (running without a disk) on the other host.",
  "Commands: iscsi-cfg --help, iscsi-cfg explain, ha-cfg status",
];

export function helpLines(columns: number): readonly Line[] {
  return [
    ...keys.map(([key, text]) => [span(` ${key.padEnd(11)}`, "bold"), span(text)]),
    [],
    ...words.flatMap((text) => [...wrap(` ${text}`, columns - 1).map((line) => [span(line)]), []]),
  ];
}
