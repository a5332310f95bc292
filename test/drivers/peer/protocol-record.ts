// What the protocol of this checkout looks like on the wire: the shape of each message, and one signed packet of each kind.
// Run as a program it writes that down once per version of the protocol; what was written is what other hosts run.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as z from "zod/mini";
import type { MemberBeat } from "../../../src/core/pool/model.ts";
import { encodeHeartbeat, heartbeatShape, type HeartbeatPacket } from "../../../src/drivers/peer/codec.ts";
import { protocolVersion } from "../../../src/drivers/peer/frame.ts";
import { beatShape, encodeBeat } from "../../../src/drivers/peer/member-codec.ts";
import { encodeRpc, rpcShapes, type RpcFrames } from "../../../src/drivers/peer/rpc-codec.ts";
import type { Result } from "../../../src/util/result.ts";
import { body, bootA, bootB, hostA, hostB, key, poolId } from "./samples.ts";

export type Shape = Readonly<Record<string, unknown>>;

/** `shapes` and `packets` (hexadecimal, signed with the key of samples.ts) by kind of message. */
export interface ProtocolRecord {
  readonly version: number;
  readonly shapes: Readonly<Record<string, Shape>>;
  readonly packets: Readonly<Record<string, string>>;
}

export const recordPath = fileURLToPath(
  new URL(`../../fixtures/protocol/version-${protocolVersion}.json`, import.meta.url),
);

export function shapesOfNow(): ProtocolRecord["shapes"] {
  const all = { heartbeat: heartbeatShape, memberBeat: beatShape, ...rpcShapes };
  return Object.fromEntries(Object.entries(all).map(([kind, shape]) => [kind, z.toJSONSchema(shape)]));
}

const nonce = (letter: string): string => letter.repeat(32);
const party = { poolId, sender: hostA, recipient: hostB };

export const heartbeat: HeartbeatPacket = {
  poolId,
  sender: hostA,
  bootId: bootA,
  incarnation: 3,
  link: "replication",
  seq: 41,
  sentAtMs: 123_456.5,
  echoes: [{ bootId: bootB, incarnation: 2, seq: 17, holdMs: 12.25 }],
  nonce: nonce("1"),
  echoedNonces: [nonce("2"), nonce("3")],
  body: body(hostA, bootA, 3, { domains: ["01234567-89ab-4cde-8f01-23456789abcd", "not-a-uuid"], intent: "paused" }),
};

const memberBody: MemberBeat = {
  hostId: hostA,
  bootId: bootA,
  incarnation: 3,
  asks: true,
  epoch: 9,
  leader: hostB,
  authorityMs: 250,
  informed: true,
  supports: true,
  ha: "on",
  maintenance: false,
  intent: "none",
  cfgHash: "0123456789abcdef",
  watchdogArmed: true,
  fenced: false,
  mayLead: true,
  barred: [],
  dead: [hostB],
  successor: null,
  domains: heartbeat.body.domains,
  xapi: "supporter",
  masterId: hostB,
};
export const memberBeat = { ...heartbeat, recipient: hostB, body: memberBody };

export const rpcFrames: RpcFrames = {
  hello: { ...party, nonce: nonce("4") },
  request: {
    ...party,
    id: nonce("5"),
    nonce: nonce("4"),
    clientNonce: nonce("6"),
    validForMs: 500,
    request: { kind: "acquire", token: "t-1", epoch: 8, deadlineMs: 2_000, automatic: true },
  },
  answer: { ...party, id: nonce("5"), clientNonce: nonce("6"), reply: { kind: "refused", reason: "not now" } },
};

function hex(sealed: Result<Buffer, string>): string {
  assert.ok(sealed.ok);
  return sealed.value.toString("hex");
}

if (process.argv[1] === import.meta.filename) {
  if (existsSync(recordPath))
    throw new Error(
      `Cannot record ${recordPath}: found one, and hosts run it; raise protocolVersion in frame.ts first`,
    );
  const packets = {
    heartbeat: hex(encodeHeartbeat(heartbeat, key)),
    memberBeat: hex(encodeBeat(memberBeat, key)),
    hello: hex(encodeRpc("hello", rpcFrames.hello, key)),
    request: hex(encodeRpc("request", rpcFrames.request, key)),
    answer: hex(encodeRpc("answer", rpcFrames.answer, key)),
  };
  const record: ProtocolRecord = { version: protocolVersion, shapes: shapesOfNow(), packets };
  writeFileSync(recordPath, `${JSON.stringify(record, null, 2)}\n`);
}
