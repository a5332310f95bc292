// Beats between the hosts of a pool, between data and bytes. Pure; decodes any bytes without throwing. Unlike a heartbeat
// of the pair a beat is meant for one host: whom it supports is signed with it.

import * as z from "zod/mini";
import type { MemberBeat } from "../../core/pool/model.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { envelope, type HeartbeatPacket } from "./codec.ts";
import { largestHeartbeatBytes, seal, unseal, type DropReason } from "./frame.ts";
import type { SigningKey } from "./keyring.ts";
import { packDomains, unpackDomains } from "./pack.ts";
import { counterShape, nameShape } from "./shapes.ts";

export interface MemberPacket extends HeartbeatPacket<MemberBeat> {
  readonly recipient: string;
}

/** XAPI's own limit of hosts in a pool. */
export const largestPool = 64;
const hosts = z.array(nameShape).check(z.maxLength(largestPool));

const body = z.object({
  asks: z.boolean(),
  epoch: counterShape,
  leader: z.nullable(nameShape),
  authorityMs: z.nullable(z.number().check(z.gte(0))),
  informed: z.boolean(),
  supports: z.boolean(),
  ha: z.enum(["on", "off", "leaving"]),
  maintenance: z.boolean(),
  intent: z.enum(["none", "paused", "leaving"]),
  cfgHash: z.string().check(z.maxLength(128)),
  watchdogArmed: z.boolean(),
  fenced: z.boolean(),
  mayLead: z.boolean(),
  barred: hosts,
  dead: hosts,
  successor: z.nullable(nameShape),
  domains: z.nullable(
    z.object({
      packed: z.string().check(z.maxLength(largestHeartbeatBytes)),
      plain: z.array(z.string().check(z.maxLength(64))),
    }),
  ),
  xapi: z.enum(["master", "supporter", "unknown"]),
  masterId: z.nullable(nameShape),
});
export const beatShape = z.extend(envelope, { recipient: nameShape, body });

export function encodeBeat(packet: MemberPacket, signer: SigningKey): Result<Buffer, string> {
  const { hostId: _hostId, bootId: _bootId, incarnation: _incarnation, domains, ...rest } = packet.body;
  const wire = { ...rest, domains: domains === null ? null : packDomains(domains) };
  return seal("memberBeat", { ...packet, body: wire }, signer, largestHeartbeatBytes);
}

export function decodeBeat(
  bytes: Uint8Array,
  findKey: (keyId: number) => SigningKey | null,
): Result<{ readonly keyId: number; readonly packet: MemberPacket }, DropReason> {
  const opened = unseal("memberBeat", bytes, findKey, largestHeartbeatBytes);
  if (!opened.ok) return opened;
  const parsed = beatShape.safeParse(opened.value.payload);
  if (!parsed.success) return err("malformed");
  const { body: wire, ...packet } = parsed.data;
  const domains = wire.domains === null ? null : unpackDomains(wire.domains);
  if (domains === null && wire.domains !== null) return err("malformed");
  const { sender: hostId, bootId, incarnation } = packet;
  return ok({
    keyId: opened.value.keyId,
    packet: { ...packet, body: { ...wire, hostId, bootId, incarnation, domains } },
  });
}
