// Everything that can happen to a host, as the decision function is told it.

import type { CoreConfig } from "./config.ts";
import type { DrbdView } from "./drbd.ts";
import type { Observation } from "./observation.ts";
import type { HeardHeartbeat, PeerReply, PeerRequest } from "./peer.ts";
import type { WitnessAnswer } from "./witness.ts";

export interface TargetFacts {
  readonly running: boolean;
  /** Every LUN of every resource is exported. */
  readonly filled: boolean;
  readonly portalOpen: boolean;
  /** A device is open, exported or not: it has to be withdrawn where this host does not serve; absent: nothing is known of one. */
  readonly holds?: boolean;
  /** The ACL keeps the peer's initiators out (D16); absent: not looked at. */
  readonly peerBarred?: boolean;
}

export interface DomainFact {
  readonly uuid: string;
  readonly domId: number;
  readonly name: string;
  readonly paused: boolean;
}

export interface XapiFacts {
  readonly role: "master" | "supporter";
  /** UUID of the host the pool database calls master; null when it could not be read. */
  readonly masterId: string | null;
}

/** What an operator asks of this host over the control socket. */
export type Command =
  | { readonly kind: "enable"; readonly force: boolean }
  | { readonly kind: "disable"; readonly force: boolean }
  | { readonly kind: "manual"; readonly on: boolean; readonly force: boolean }
  | { readonly kind: "maintenance"; readonly on: boolean }
  | { readonly kind: "become-primary"; readonly force: boolean }
  | { readonly kind: "become-secondary" }
  | { readonly kind: "switch"; readonly storageOnly: boolean }
  | { readonly kind: "confirm-peer-off" }
  /** D11: this host's data stays, the other host's copies that grew apart are given up. */
  | { readonly kind: "resolve-split-brain"; readonly snapshot: boolean }
  /** A13: this host shuts down or reboots; its VMs were moved or stopped before. */
  | { readonly kind: "leave" }
  /** A7: the daemon alone stops for an upgrade; VMs and storage go on. */
  | { readonly kind: "pause" };

export type Event =
  | { readonly kind: "tick" }
  | { readonly kind: "heartbeat"; readonly heard: HeardHeartbeat }
  | { readonly kind: "drbd"; readonly views: Observation<Readonly<Record<string, DrbdView>>> }
  | { readonly kind: "target"; readonly target: Observation<TargetFacts> }
  | { readonly kind: "target-died"; readonly detail: string }
  | { readonly kind: "vip"; readonly vip: Observation<"present" | "absent"> }
  | { readonly kind: "domains"; readonly domains: Observation<readonly DomainFact[]> }
  /** UUIDs of the VMs that are not protected: they run or end without us. A VM nobody knows anything of is protected. */
  | { readonly kind: "protection"; readonly unprotected: readonly string[] }
  | { readonly kind: "xapi"; readonly xapi: Observation<XapiFacts> }
  | { readonly kind: "management"; readonly up: boolean }
  /** XAPI_COUNT restarts of the toolstack did not bring it back, or it answers again (D18). */
  | { readonly kind: "toolstack"; readonly beyondRepair: boolean }
  | { readonly kind: "watchdog"; readonly armed: boolean }
  /** DRBD waits for an answer about this resource (fence-peer handler). */
  | { readonly kind: "handler"; readonly resource: string; readonly handler: string }
  | { readonly kind: "handler-gone"; readonly handler: string }
  /** One vote sample: every heuristic address answered, or not; a driver that could not ask counts as failed. */
  | { readonly kind: "sample"; readonly id: number; readonly passed: boolean }
  /** What every witness answered in time, in the order of the configuration; null: nothing. */
  | { readonly kind: "witness"; readonly id: number; readonly answers: readonly (WitnessAnswer | null)[] }
  | {
      readonly kind: "probe";
      readonly id: number;
      /** Did the peer answer on either network? */
      readonly peer: "silent" | "answered" | "unknown";
      /** Who answers for the floating IP? */
      readonly vip: "free" | "answered" | "unknown";
      readonly mac: string | null;
      /** The fence device called the peer off twice although nobody here switched it; left out: on, no device, no answer. */
      readonly power?: "off";
    }
  /** An action ended. Unknown outcomes come as ok=false with the reason. */
  | { readonly kind: "result"; readonly id: number; readonly ok: boolean; readonly detail: string }
  | {
      readonly kind: "reply";
      readonly id: number;
      readonly reply: PeerReply | { readonly kind: "silent"; readonly reason: string };
    }
  | { readonly kind: "request"; readonly id: number; readonly request: PeerRequest }
  | { readonly kind: "command"; readonly id: number; readonly command: Command }
  | { readonly kind: "config"; readonly config: CoreConfig };
