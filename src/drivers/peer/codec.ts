// Heartbeats between data and bytes. Pure; decodes any bytes without throwing. Fields it does not know are ignored, so
// that two neighbouring releases understand one another; a field it knows must be right.

import * as z from "zod";
import type { HeartbeatBody, Link } from "../../core/model/peer.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { largestHeartbeatBytes, seal, unseal, type DropReason } from "./frame.ts";
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

export interface HeartbeatPacket {
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
  readonly body: HeartbeatBody;
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
const generationId = z
  .string()
  .max(32)
  .regex(/^[0-9A-Fa-f]*$/);
const resource = z.object({
  role: z.enum(["Primary", "Secondary", "Unknown"]),
  disk,
  peerDisk: disk,
  solo: z.boolean(),
  generation: z
    .object({ current: generationId, bitmap: generationId, history: z.array(generationId).max(8) })
    .nullable(),
});

// Identity (host, boot, incarnation) is in the envelope only: two copies could disagree.
const body = z.object({
  epoch: counterShape,
  owner: nameShape.nullable(),
  ha: z.enum(["on", "off", "leaving"]),
  flags: z.object({ manual: z.boolean(), maintenance: z.boolean() }),
  cfgHash: z.string().max(128),
  serving: z.boolean(),
  busy: z.boolean(),
  joined: z.boolean(),
  resources: z.record(nameShape, resource),
  vote: z.boolean(),
  eligible: z.boolean(),
  watchdogArmed: z.boolean(),
  intent: z.enum(["none", "leaving", "releasing", "fencing", "paused"]),
  management: z.boolean(),
  domains: z.object({ packed: z.string().max(largestHeartbeatBytes), plain: z.array(z.string().max(64)) }),
  xapi: z.enum(["master", "supporter", "unknown"]),
});

const heartbeat = z.object({
  poolId: nameShape,
  sender: nameShape,
  bootId: bootIdShape,
  incarnation: counterShape,
  link: z.enum(["management", "replication"]),
  seq: counterShape.min(1),
  sentAtMs: z.number(),
  echoes: z
    .array(z.object({ bootId: bootIdShape, incarnation: counterShape, seq: counterShape, holdMs: z.number().min(0) }))
    .max(4),
  nonce: nonceShape,
  echoedNonces: z.array(nonceShape).max(8),
  body,
});

/** The bytes of one heartbeat; the error says why it cannot be sent (only size can be the reason). */
export function encodeHeartbeat(packet: HeartbeatPacket, signer: SigningKey): Result<Buffer, string> {
  const { hostId: _hostId, bootId: _bootId, incarnation: _incarnation, domains, ...rest } = packet.body;
  const payload = { ...packet, body: { ...rest, domains: packDomains(domains) } };
  return seal("heartbeat", payload, signer, largestHeartbeatBytes);
}

export interface DecodedHeartbeat {
  readonly keyId: number;
  readonly packet: HeartbeatPacket;
}

export function decodeHeartbeat(
  bytes: Uint8Array,
  findKey: (keyId: number) => SigningKey | null,
): Result<DecodedHeartbeat, DropReason> {
  const opened = unseal("heartbeat", bytes, findKey, largestHeartbeatBytes);
  if (!opened.ok) return opened;
  const parsed = heartbeat.safeParse(opened.value.payload);
  if (!parsed.success) return err("malformed");
  const { body: wire, ...packet } = parsed.data;
  const domains = unpackDomains(wire.domains);
  if (domains === null) return err("malformed");
  const { sender: hostId, bootId, incarnation } = packet;
  return ok({
    keyId: opened.value.keyId,
    packet: { ...packet, body: { ...wire, hostId, bootId, incarnation, domains } },
  });
}
