// Heartbeats between data and bytes. Pure; decodes any bytes without throwing. Fields it does not know are ignored, so
// that two neighbouring releases understand one another; a field it knows must be right.

import * as z from "zod/mini";
import type { HeartbeatBody, Link } from "../../core/model/peer.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { largestHeartbeatBytes, sealText, unsealText, type DropReason } from "./frame.ts";
import type { SigningKey } from "./keyring.ts";
import { packDomains, unpackDomains } from "./pack.ts";
import { bootIdShape, counterShape, nameShape, nonceShape } from "./shapes.ts";

/** "I accepted this packet of yours, and held it for `holdMs` before I sent this." */
export interface Echo {
  readonly bootId: string;
  readonly incarnation: number;
  readonly seq: number;
  readonly holdMs: Millis;
}

export interface HeartbeatPacket<Body = HeartbeatBody> {
  readonly poolId: string;
  readonly sender: string;
  readonly bootId: string;
  /** Grows with every start of the daemon within one boot. */
  readonly incarnation: number;
  /** Signed, so that a copy taken from one network proves nothing about the other. */
  readonly link: Link;
  /** One counter for both links; strictly growing within (sender, bootId, incarnation, link). */
  readonly seq: number;
  /** Sender's monotonic clock, in milliseconds; only the sender may compare it. */
  readonly sentAtMs: number;
  /** The newest accepted packet of each link. */
  readonly echoes: readonly Echo[];
  readonly nonce: string;
  /** The receiver's nonces that the sender saw last, newest first. */
  readonly echoedNonces: readonly string[];
  readonly body: Body;
}

const disk = z.enum([
  "Diskless",
  "Attaching",
  "Detaching",
  "Failed",
  "Negotiating",
  "Inconsistent",
  "Outdated",
  "DUnknown",
  "Consistent",
  "UpToDate",
]);
const generationId = z.string().check(z.maxLength(32), z.regex(/^[0-9A-Fa-f]*$/));
const resource = z.object({
  role: z.enum(["Primary", "Secondary", "Unknown"]),
  disk,
  peerDisk: disk,
  solo: z.boolean(),
  generation: z.nullable(
    z.object({ current: generationId, bitmap: generationId, history: z.array(generationId).check(z.maxLength(8)) }),
  ),
  outOfSyncKiB: z.exactOptional(z.number().check(z.minimum(0))),
  lastWriteWallMs: z.exactOptional(z.number().check(z.minimum(0))),
});

// Identity (host, boot, incarnation) is in the envelope only: two copies could disagree.
const body = z.object({
  epoch: counterShape,
  owner: z.nullable(nameShape),
  ha: z.enum(["on", "off", "leaving"]),
  flags: z.object({ manual: z.boolean(), maintenance: z.boolean() }),
  cfgHash: z.string().check(z.maxLength(128)),
  serving: z.boolean(),
  busy: z.boolean(),
  joined: z.boolean(),
  resources: z.record(nameShape, resource),
  vote: z.boolean(),
  eligible: z.boolean(),
  watchdogArmed: z.boolean(),
  intent: z.enum(["none", "leaving", "releasing", "fencing", "paused"]),
  management: z.boolean(),
  domains: z.object({
    packed: z.string().check(z.maxLength(largestHeartbeatBytes)),
    plain: z.array(z.string().check(z.maxLength(64))),
  }),
  xapi: z.enum(["master", "supporter", "unknown"]),
  vacated: z.exactOptional(z.literal(true)),
});

/** What stands around the body of every beat. */
export const envelope = z.object({
  poolId: nameShape,
  sender: nameShape,
  bootId: bootIdShape,
  incarnation: counterShape,
  link: z.enum(["management", "replication"]),
  seq: counterShape.check(z.gte(1)),
  sentAtMs: z.number(),
  echoes: z
    .array(
      z.object({
        bootId: bootIdShape,
        incarnation: counterShape,
        seq: counterShape,
        holdMs: z.number().check(z.gte(0)),
      }),
    )
    .check(z.maxLength(4)),
  nonce: nonceShape,
  echoedNonces: z.array(nonceShape).check(z.maxLength(8)),
});
/** Fields are added within a version of the protocol, and only such that may be missing (CONTRIBUTING.md). */
export const heartbeatShape = z.extend(envelope, { body });

/** Between envelope and body. No JSON string can contain it: quotes inside of one are escaped. */
const bodyMark = ',"body":';

/** A body as it travels; the same for both links of a round. */
export function encodeBody(
  { hostId: _h, bootId: _b, incarnation: _i, domains, ...rest }: HeartbeatBody,
  pack = packDomains,
): string {
  return JSON.stringify({ ...rest, domains: pack(domains) });
}

/** The bytes of one heartbeat; the error says why it cannot be sent (only size can be the reason). */
export function encodeHeartbeat(
  { body: ownBody, ...rest }: HeartbeatPacket,
  signer: SigningKey,
  bodyText = encodeBody(ownBody),
): Result<Buffer, string> {
  const text = `${JSON.stringify(rest).slice(0, -1)}${bodyMark}${bodyText}}`;
  return sealText("heartbeat", text, signer, largestHeartbeatBytes);
}

export interface DecodedHeartbeat {
  readonly keyId: number;
  readonly packet: HeartbeatPacket;
}

/** The last good packet. A host says the same thing again and again: what was checked once is not checked anew. */
export interface PacketMemory {
  last: { readonly bodyText: string; readonly packet: HeartbeatPacket } | null;
}

/** Without a memory everything is checked. With one, a body that was said before is the same object again. */
export function decodeHeartbeat(
  bytes: Uint8Array,
  findKey: (keyId: number) => SigningKey | null,
  memory: PacketMemory = { last: null },
): Result<DecodedHeartbeat, DropReason> {
  const opened = unsealText("heartbeat", bytes, findKey, largestHeartbeatBytes);
  if (!opened.ok) return opened;
  const { keyId, text } = opened.value;
  const at = text.indexOf(bodyMark);
  const bodyText = at === -1 ? text : text.slice(at);
  let packet: HeartbeatPacket | null;
  try {
    packet = memory.last?.bodyText === bodyText ? sameBody(text.slice(0, at), memory.last.packet) : wholePacket(text);
  } catch {
    return err("malformed");
  }
  if (packet === null) return err("malformed");
  memory.last = { bodyText, packet };
  return ok({ keyId, packet });
}

/** Throws where the text is not JSON; null where it is no heartbeat. */
function wholePacket(text: string): HeartbeatPacket | null {
  const parsed = heartbeatShape.safeParse(JSON.parse(text));
  if (!parsed.success) return null;
  const { body: wire, ...rest } = parsed.data;
  const domains = unpackDomains(wire.domains);
  if (domains === null) return null;
  const { sender: hostId, bootId, incarnation } = rest;
  return { ...rest, body: { ...wire, hostId, bootId, incarnation, domains } };
}

/** `head` is the packet's text in front of a body that was checked before; the same text closes the same brackets. */
function sameBody(head: string, last: HeartbeatPacket): HeartbeatPacket | null {
  const found: unknown = JSON.parse(`${head}}`);
  const { body: known } = last;
  const next = onlyNumbersDiffer(found, last);
  if (next !== null) return { ...next, body: known };
  const parsed = envelope.safeParse(found);
  if (!parsed.success) return null;
  const { sender: hostId, bootId, incarnation } = parsed.data;
  const same = known.hostId === hostId && known.bootId === bootId && known.incarnation === incarnation;
  return { ...parsed.data, body: same ? known : { ...known, hostId, bootId, incarnation } };
}

type Envelope = Omit<HeartbeatPacket, "body">;

/** The next envelope of one conversation: every word was said and checked before. Null: the schema has to look. */
function onlyNumbersDiffer(found: unknown, last: Envelope): Envelope | null {
  // Checked field by field below; a field that is missing or of another type equals nothing.
  const next = found as Envelope | null;
  const { poolId, sender, bootId, incarnation, nonce, echoedNonces } = last;
  if (typeof next !== "object" || next === null || !Array.isArray(next.echoes) || !Array.isArray(next.echoedNonces))
    return null;
  const { link, seq, sentAtMs, echoes } = next;
  const isSame =
    next.poolId === poolId &&
    next.sender === sender &&
    next.bootId === bootId &&
    next.incarnation === incarnation &&
    next.nonce === nonce &&
    next.echoedNonces.length === echoedNonces.length &&
    echoedNonces.every((one, i) => one === next.echoedNonces[i]) &&
    (link === "management" || link === "replication") &&
    isCounter(seq) &&
    seq >= 1 &&
    Number.isFinite(sentAtMs) &&
    echoes.length === last.echoes.length;
  if (!isSame) return null;
  const heard: Echo[] = [];
  for (const [i, echo] of echoes.entries()) {
    const before = last.echoes[i];
    if (echo?.bootId !== before?.bootId || echo?.incarnation !== before?.incarnation || !isCounter(echo?.seq))
      return null;
    if (!(Number.isFinite(echo.holdMs) && echo.holdMs >= 0)) return null;
    heard.push({ bootId: echo.bootId, incarnation: echo.incarnation, seq: echo.seq, holdMs: echo.holdMs });
  }
  return { poolId, sender, bootId, incarnation, link, seq, sentAtMs, echoes: heard, nonce, echoedNonces };
}

const isCounter = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
