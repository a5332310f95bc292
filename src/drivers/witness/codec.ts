// The two packets between a host and a witness, between data and bytes. Pure; decodes any bytes without throwing.
//
//   host → witness   question { nonce, request, seen }   an old one changes nothing: it quotes a used stamp
//   witness → host   answer   { nonce, answer }          an old one is of no use: the nonce is that of no open question

import * as z from "zod/mini";
import type { WitnessAnswer, WitnessRequest } from "../../core/model/witness.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { seal, unseal, type DropReason } from "../peer/frame.ts";
import type { SigningKey } from "../peer/keyring.ts";
import { counterShape, nameShape, nonceShape } from "../peer/shapes.ts";

/** A question with the longest names of a hundred resources; an ordinary one is below 500 bytes. */
export const largestWitnessPacketBytes = 8 * 1024;
const largestResources = 100;
/** Far above every T_take; A17 must not let a request stop the witness for good. */
const largestTakeMs = 600_000;

const request = z.object({
  kind: z.enum(["query", "grant", "release"]),
  resources: z.array(nameShape).check(z.minLength(1), z.maxLength(largestResources)),
  epoch: counterShape,
  owner: z.boolean(),
  solo: z.boolean(),
  takeMs: z.number().check(z.gte(0), z.lte(largestTakeMs)),
}) satisfies z.ZodMiniType<WitnessRequest>;

const answer = z.object({
  granted: z.boolean(),
  holder: z.nullable(nameShape),
  epoch: counterShape,
  stamp: counterShape,
  refusal: z.nullable(z.string().check(z.maxLength(500))),
}) satisfies z.ZodMiniType<WitnessAnswer>;

const shapes = {
  witnessQuestion: z.object({
    poolId: nameShape,
    sender: nameShape,
    nonce: nonceShape,
    seen: z.nullable(counterShape),
    request,
  }),
  witnessAnswer: z.object({ poolId: nameShape, recipient: nameShape, nonce: nonceShape, answer }),
};

export interface WitnessPackets {
  readonly witnessQuestion: {
    readonly poolId: string;
    readonly sender: string;
    readonly nonce: string;
    /** The stamp that this witness gave the sender last. */
    readonly seen: number | null;
    readonly request: WitnessRequest;
  };
  readonly witnessAnswer: {
    readonly poolId: string;
    readonly recipient: string;
    readonly nonce: string;
    readonly answer: WitnessAnswer;
  };
}
type Kind = keyof WitnessPackets;

/** The signed bytes; the error is a sentence about the size. */
export function encodeWitness<K extends Kind>(
  kind: K,
  packet: WitnessPackets[K],
  signer: SigningKey,
): Result<Buffer, string> {
  return seal(kind, packet, signer, largestWitnessPacketBytes);
}

export interface DecodedWitness<K extends Kind> {
  readonly keyId: number;
  readonly packet: WitnessPackets[K];
}

export function decodeWitness<K extends Kind>(
  kind: K,
  bytes: Uint8Array,
  findKey: (keyId: number) => SigningKey | null,
): Result<DecodedWitness<K>, DropReason> {
  const opened = unseal(kind, bytes, findKey, largestWitnessPacketBytes);
  if (!opened.ok) return opened;
  const parsed = shapes[kind].safeParse(opened.value.payload);
  if (!parsed.success) return err("malformed");
  // `shapes[kind]` is the schema of WitnessPackets[K]; the compiler cannot follow the index through the union.
  return ok({ keyId: opened.value.keyId, packet: parsed.data as WitnessPackets[K] });
}
