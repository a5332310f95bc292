// Beats between this host and every other host of its pool: one socket per network, one session per host. Never blocks the
// event loop, never throws for anything the network does, never decides anything.

import { randomBytes } from "node:crypto";
import type { Link } from "../../core/model/peer.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { HeardBeat, MemberBeat } from "../../core/pool/model.ts";
import { createDropCounter } from "./drop-counter.ts";
import { createKeyring, type Keyring } from "./keyring.ts";
import { decodeBeat, encodeBeat } from "./member-codec.ts";
import type { PeerAddress, PeerKeys } from "./port.ts";
import { createRateLimit } from "./rate-limit.ts";
import { createPeerSession, type PeerSession } from "./session.ts";
import { createUdpLink } from "./udp.ts";

export interface MemberLinkOptions {
  readonly poolId: string;
  readonly hostId: string;
  readonly bootId: string;
  readonly incarnation: number;
  readonly port: number;
  readonly local: Readonly<Partial<Record<Link, string>>>;
  readonly members: readonly { readonly hostId: string; readonly addresses: Readonly<Partial<Record<Link, string>>> }[];
  readonly keys: PeerKeys;
  readonly now: () => Instant;
  readonly onBeat: (heard: HeardBeat) => void;
  readonly onDropped: (reason: string, count: number) => void;
}

export interface MemberLink {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** One beat to one host, on every network that both are on. */
  beat(to: string, body: MemberBeat): void;
  setKeys(keys: PeerKeys): void;
}

const dropReportMs: Millis = 10_000;
/** A member sends two a second, a few more while no leader answers. */
const packetsPerSecond = 100;

interface Member {
  readonly hostId: string;
  readonly session: PeerSession<MemberBeat>;
  readonly keyring: Keyring;
  readonly addresses: Readonly<Partial<Record<Link, string>>>;
}

export function createMemberLink(options: MemberLinkOptions): MemberLink {
  const { poolId, hostId, bootId, incarnation, now } = options;
  const drops = createDropCounter(options.onDropped, dropReportMs);
  const drop = (reason: string): void => drops.count(reason, now());
  const rateLimit = createRateLimit(packetsPerSecond, packetsPerSecond);
  const newNonce = (): string => randomBytes(16).toString("hex");
  const members = new Map<string, Member>();
  /** Link and source address -> who that is. */
  const sources = new Map<string, Member>();
  for (const one of options.members) {
    const session = createPeerSession<MemberBeat>({
      poolId,
      hostId,
      peerId: one.hostId,
      bootId,
      incarnation,
      newNonce,
    });
    const member = { ...one, session, keyring: createKeyring(options.keys) };
    members.set(one.hostId, member);
    for (const [link, address] of Object.entries(one.addresses)) sources.set(`${link}/${address}`, member);
  }
  let flusher: NodeJS.Timeout | null = null;

  function receive({ link }: PeerAddress, bytes: Uint8Array, source: string): void {
    const member = sources.get(`${link}/${source}`);
    if (member === undefined) return drop("foreign address");
    if (!rateLimit.admits(source, now())) return drop("rate limit");
    const decoded = decodeBeat(bytes, member.keyring.find);
    if (!decoded.ok) return drop(decoded.error);
    const { packet, keyId } = decoded.value;
    if (packet.recipient !== hostId) return drop("other recipient");
    const incoming = member.session.incoming(packet, link, now());
    if (incoming.kind === "dropped") return drop(incoming.reason);
    member.keyring.sawPeerUse(keyId);
    const { body, echoSentAt, receivedAt } = incoming.heard;
    options.onBeat({ body, echoSentAt, receivedAt });
  }

  const links = Object.entries(options.local).map(([name, local]) => {
    const link: Link = name === "management" ? "management" : "replication";
    return createUdpLink({ link, local, remote: local, port: options.port }, { onPacket: receive, onTrouble: drop });
  });

  return {
    async start() {
      flusher = setInterval(() => drops.flush(now()), dropReportMs);
      await Promise.all(links.map((link) => link.start()));
    },
    async stop() {
      if (flusher !== null) clearInterval(flusher);
      await Promise.all(links.map((link) => link.stop()));
    },
    beat(to, body) {
      const member = members.get(to);
      if (member === undefined) return;
      const signer = member.keyring.nextForBeat();
      for (const link of links) {
        const remote = member.addresses[link.address.link];
        if (remote === undefined || !link.bound()) continue;
        const packet = member.session.outgoing(link.address.link, body, now());
        const encoded = encodeBeat({ ...packet, recipient: to }, signer);
        if (encoded.ok) link.send(encoded.value, remote);
        else drop(encoded.error);
      }
    },
    setKeys(keys) {
      for (const { keyring } of members.values()) keyring.replace(keys);
    },
  };
}
