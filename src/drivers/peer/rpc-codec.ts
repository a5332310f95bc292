// The three frames of the control RPC between data and bytes. Pure; decodes any bytes without throwing.
//
//   server → client  hello    { nonce }                       a challenge that is good for this connection only
//   client → server  request  { id, nonce, clientNonce, … }   an old request can't be played again: the nonce differs
//   server → client  answer   { id, clientNonce, reply }      an old answer can't be played again: the client's differs

import * as z from "zod/mini";
import type { PeerReply, PeerRequest } from "../../core/model/peer.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { largestRpcBytes, seal, unseal, type DropReason, type PacketKind } from "./frame.ts";
import type { SigningKey } from "./keyring.ts";
import { counterShape, nameShape, nonceShape } from "./shapes.ts";

const token = z.string().check(z.minLength(1), z.maxLength(128));
const operator = z.string().check(z.maxLength(256));
const ha = z.enum(["on", "off", "leaving"]);

const requestShape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("outdate"), resource: nameShape, epoch: counterShape }),
  z.object({
    kind: z.literal("acquire"),
    token,
    epoch: counterShape,
    deadlineMs: z.number().check(z.gte(0)),
    automatic: z.boolean(),
  }),
  z.object({ kind: z.literal("validate"), token }),
  z.object({ kind: z.literal("claim"), epoch: counterShape, operator: z.boolean() }),
  z.object({ kind: z.literal("cancel"), token, epoch: counterShape }),
  z.object({ kind: z.literal("hand-over"), to: nameShape, operator }),
  z.object({ kind: z.literal("prepare-mode"), ha, operator }),
  z.object({ kind: z.literal("commit-mode"), ha }),
  z.object({
    kind: z.literal("discard"),
    resources: z.array(nameShape).check(z.maxLength(64)),
    epoch: counterShape,
    snapshot: z.boolean(),
  }),
  z.object({ kind: z.literal("pause") }),
  z.object({ kind: z.literal("confirm-gone"), domains: z.array(nameShape).check(z.maxLength(1500)) }),
]) satisfies z.ZodMiniType<PeerRequest>;

const replyShape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("done"), said: z.exactOptional(z.string().check(z.maxLength(2000))) }),
  z.object({ kind: z.literal("refused"), reason: z.string().check(z.maxLength(2000)) }),
]) satisfies z.ZodMiniType<PeerReply>;

const party = { poolId: nameShape, sender: nameShape, recipient: nameShape };
export const rpcShapes = {
  hello: z.object({ ...party, nonce: nonceShape }),
  request: z.object({
    ...party,
    id: nonceShape,
    nonce: nonceShape,
    clientNonce: nonceShape,
    /** The client waits this long, counted from the moment it sent the frame. */
    validForMs: z.number().check(z.gte(0), z.lte(3_600_000)),
    request: requestShape,
  }),
  answer: z.object({ ...party, id: nonceShape, clientNonce: nonceShape, reply: replyShape }),
};

export interface RpcFrames {
  readonly hello: {
    readonly poolId: string;
    readonly sender: string;
    readonly recipient: string;
    readonly nonce: string;
  };
  readonly request: {
    readonly poolId: string;
    readonly sender: string;
    readonly recipient: string;
    readonly id: string;
    readonly nonce: string;
    readonly clientNonce: string;
    readonly validForMs: Millis;
    readonly request: PeerRequest;
  };
  readonly answer: {
    readonly poolId: string;
    readonly sender: string;
    readonly recipient: string;
    readonly id: string;
    readonly clientNonce: string;
    readonly reply: PeerReply;
  };
}
export type RpcKind = keyof RpcFrames & PacketKind;

/** Who talks to whom; checked in every frame, so that a frame can't be sent back to where it came from. */
export interface RpcParties {
  readonly poolId: string;
  readonly hostId: string;
  readonly peerId: string;
}

const lengthBytes = 4;

/** A frame with its length in front, ready for the stream. */
export function encodeRpc<K extends RpcKind>(kind: K, frame: RpcFrames[K], signer: SigningKey): Result<Buffer, string> {
  const sealed = seal(kind, frame, signer, largestRpcBytes);
  if (!sealed.ok) return sealed;
  const length = Buffer.allocUnsafe(lengthBytes);
  length.writeUInt32BE(sealed.value.length, 0);
  return ok(Buffer.concat([length, sealed.value]));
}

export function decodeRpc<K extends RpcKind>(
  kind: K,
  bytes: Uint8Array,
  findKey: (keyId: number) => SigningKey | null,
  parties: RpcParties,
): Result<{ readonly keyId: number; readonly frame: RpcFrames[K] }, DropReason> {
  const opened = unseal(kind, bytes, findKey, largestRpcBytes);
  if (!opened.ok) return opened;
  const parsed = rpcShapes[kind].safeParse(opened.value.payload);
  if (!parsed.success) return err("malformed");
  const { poolId, sender, recipient } = parsed.data;
  if (poolId !== parties.poolId) return err("other pool");
  if (sender !== parties.peerId) return err("other sender");
  if (recipient !== parties.hostId) return err("other recipient");
  // `rpcShapes[kind]` is the schema of RpcFrames[K]; the compiler cannot follow the index through the union.
  return ok({ keyId: opened.value.keyId, frame: parsed.data as RpcFrames[K] });
}

export interface FrameReader {
  /** Whole frames that these bytes complete; null once a frame announces more than the limit (close the stream). */
  push(chunk: Uint8Array): readonly Uint8Array[] | null;
}

/** Cuts a stream into frames and holds at most one frame and one chunk. */
export function createFrameReader(): FrameReader {
  let held: Buffer = Buffer.alloc(0);
  return {
    push(chunk) {
      held = Buffer.concat([held, chunk]);
      const frames: Uint8Array[] = [];
      while (held.length >= lengthBytes) {
        const size = held.readUInt32BE(0);
        if (size > largestRpcBytes) return null;
        if (held.length < lengthBytes + size) break;
        frames.push(held.subarray(lengthBytes, lengthBytes + size));
        held = held.subarray(lengthBytes + size);
      }
      return frames;
    },
  };
}
