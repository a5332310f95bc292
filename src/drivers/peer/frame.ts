// The signed envelope around everything the two daemons send one another. Pure; opens any bytes without throwing, and
// never returns a payload whose signature was not checked.
//
//   0  "TNDM"   4  version   5  kind   6  key number (u32)   10  HMAC-SHA-256 over bytes 0..9 and the payload   42  JSON

import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from "node:crypto";
import { err, ok, type Result } from "../../util/result.ts";
import type { SigningKey } from "./keyring.ts";

export const packetKinds = {
  heartbeat: 1,
  hello: 2,
  request: 3,
  answer: 4,
  witnessQuestion: 5,
  witnessAnswer: 6,
  memberBeat: 7,
} as const;
export type PacketKind = keyof typeof packetKinds;

/**
 * Largest heartbeat. Enough for the 1,000 running VMs a host supports (packed to 22 bytes each); an ordinary heartbeat
 * is under 1,100 bytes and so fits one Ethernet frame.
 */
export const largestHeartbeatBytes = 24 * 1024;
/** Largest frame of the control RPC; the list of 1,000 domains of `confirm-gone` is the largest request. */
export const largestRpcBytes = 64 * 1024;

export type DropReason =
  | "too large"
  | "too short"
  | "not ours"
  | "other version"
  | "other kind"
  | "unknown key"
  | "bad signature"
  | "malformed"
  | "other pool"
  | "own packet"
  | "other sender"
  | "other recipient"
  | "other link"
  | "replay"
  | "old incarnation"
  | "unproven session"
  | "stale challenge"
  | "foreign address"
  | "rate limit";

const magic = Buffer.from("TNDM", "latin1");
/** Raised when two releases would misunderstand one another; CONTRIBUTING.md says when that is. */
export const protocolVersion = 1;
const headBytes = 10;
const macBytes = 32;
export const envelopeBytes = headBytes + macBytes;

export interface Opened {
  readonly keyId: number;
  readonly payload: unknown;
}

export interface OpenedText {
  readonly keyId: number;
  /** JSON, if the sender did well; its form was not looked at. */
  readonly text: string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
/** Made once per key and not once per packet; forgotten together with the key. */
const prepared = new WeakMap<Uint8Array, KeyObject>();

function mac(key: Uint8Array, head: Uint8Array, payload: Uint8Array): Buffer {
  const secret = prepared.get(key) ?? createSecretKey(key);
  prepared.set(key, secret);
  return createHmac("sha256", secret).update(head).update(payload).digest();
}

/** Signs a payload. The error is the size found when it exceeds `largestBytes`. */
export function seal(
  kind: PacketKind,
  payload: unknown,
  signer: SigningKey,
  largestBytes: number,
): Result<Buffer, string> {
  return sealText(kind, JSON.stringify(payload), signer, largestBytes);
}

/** The same for a payload that is JSON already. */
export function sealText(
  kind: PacketKind,
  text: string,
  signer: SigningKey,
  largestBytes: number,
): Result<Buffer, string> {
  const json = Buffer.from(text, "utf8");
  const size = envelopeBytes + json.length;
  if (size > largestBytes) return err(`Cannot send a ${kind}: found ${size} bytes, expected at most ${largestBytes}`);
  const packet = Buffer.allocUnsafe(size);
  magic.copy(packet, 0);
  packet.writeUInt8(protocolVersion, 4);
  packet.writeUInt8(packetKinds[kind], 5);
  packet.writeUInt32BE(signer.keyId, 6);
  mac(signer.key, packet.subarray(0, headBytes), json).copy(packet, headBytes);
  json.copy(packet, envelopeBytes);
  return ok(packet);
}

/** Checks size, form, key and signature, in the order of their cost. */
export function unseal(
  kind: PacketKind,
  bytes: Uint8Array,
  findKey: (keyId: number) => SigningKey | null,
  largestBytes: number,
): Result<Opened, DropReason> {
  const opened = unsealText(kind, bytes, findKey, largestBytes);
  if (!opened.ok) return opened;
  try {
    return ok({ keyId: opened.value.keyId, payload: JSON.parse(opened.value.text) as unknown });
  } catch {
    return err("malformed");
  }
}

/** The same for a caller that reads the JSON itself. */
export function unsealText(
  kind: PacketKind,
  bytes: Uint8Array,
  findKey: (keyId: number) => SigningKey | null,
  largestBytes: number,
): Result<OpenedText, DropReason> {
  if (bytes.length > largestBytes) return err("too large");
  if (bytes.length <= envelopeBytes) return err("too short");
  const packet = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!packet.subarray(0, 4).equals(magic)) return err("not ours");
  if (packet[4] !== protocolVersion) return err("other version");
  if (packet[5] !== packetKinds[kind]) return err("other kind");
  const keyId = packet.readUInt32BE(6);
  const signer = findKey(keyId);
  if (signer === null) return err("unknown key");
  const payload = packet.subarray(envelopeBytes);
  const expected = mac(signer.key, packet.subarray(0, headBytes), payload);
  if (!timingSafeEqual(expected, packet.subarray(headBytes, envelopeBytes))) return err("bad signature");
  try {
    return ok({ keyId, text: utf8.decode(payload) });
  } catch {
    return err("malformed");
  }
}
