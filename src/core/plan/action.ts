// Everything the decision function can ask of the world. The executor switches over this union exhaustively.
// `id` marks actions whose end comes back as an event; the others are told and forgotten.

import type { AlarmId } from "../model/alarm.ts";
import type { DurableRecord } from "../model/durable.ts";
import type { PeerReply, PeerRequest } from "../model/peer.ts";
import type { Millis } from "../model/time.ts";
import type { WitnessRound } from "../model/witness.ts";

/** What an effect is, before it gets its id. */
export type EffectBody =
  | { readonly kind: "persist"; readonly record: DurableRecord }
  | { readonly kind: "drbd-up"; readonly resource: string }
  | { readonly kind: "drbd-connect"; readonly resource: string }
  /** Gives this copy up (D11): it connects as the one that is filled from the other host, after a snapshot where LVM can. */
  | { readonly kind: "drbd-discard"; readonly resource: string; readonly snapshot: boolean }
  | { readonly kind: "promote"; readonly resource: string }
  /** `abandon`: suspended writes, which nobody was told are done, are given up so that the device can be closed. */
  | { readonly kind: "demote"; readonly resource: string; readonly abandon?: true }
  | { readonly kind: "outdate"; readonly resource: string }
  | { readonly kind: "resume-io"; readonly resource: string }
  | { readonly kind: "target-warm" }
  /** Target, LUNs and ACL; `bar`: the peer's initiators stay out (D16). */
  | { readonly kind: "target-fill"; readonly bar: boolean }
  | { readonly kind: "target-bar-peer" }
  | { readonly kind: "portal-open" }
  | { readonly kind: "target-withdraw" }
  /** Silence towards the initiators for the moment of a planned release; best effort, not verified. */
  | { readonly kind: "hush-portal"; readonly what: "requests" | "all" | "off" }
  | { readonly kind: "block-portal" }
  | { readonly kind: "unblock-portal" }
  | { readonly kind: "vip-add" }
  | { readonly kind: "vip-remove" }
  | { readonly kind: "pause-domains" }
  | { readonly kind: "unpause-domains"; readonly destroy: readonly string[] }
  /** A22: stops domains that stall without their disks, and answers only when they are gone. */
  | { readonly kind: "destroy-domains"; readonly domains: readonly string[] }
  | { readonly kind: "fence"; readonly hostId: string }
  | { readonly kind: "watchdog-arm" }
  | { readonly kind: "watchdog-disarm" }
  /** This host's toolstack becomes master of the pool although the old one is gone. */
  | { readonly kind: "xapi-promote" }
  /** The VMs that a host shut down before it left are halted in a database that this host's toolstack was promoted from. */
  | { readonly kind: "xapi-reset-left" }
  /** Planned: both toolstacks are alive and the peer's becomes master. */
  | { readonly kind: "xapi-designate" }
  /** Both toolstacks call themselves master: the other one follows this one from now on. */
  | { readonly kind: "recover-supporters" }
  /** D7 holds: declare the peer dead in XAPI, start its VMs here. The executor asks again before each start. */
  | { readonly kind: "recover-peer" }
  /** A22: starts VMs here of which the living peer confirmed that their domains are gone there. */
  | { readonly kind: "start-confirmed"; readonly domains: readonly string[] };

/** Actions that change this host and are answered by a `result` event. */
export type Effect = EffectBody & { readonly id: number };

export type Action =
  | Effect
  | { readonly kind: "sample"; readonly id: number }
  | { readonly kind: "probe"; readonly id: number }
  /** Answered by a `witness` event within `timeoutMs`, whatever the witnesses do. */
  | ({ readonly kind: "ask-witness"; readonly id: number; readonly timeoutMs: Millis } & WitnessRound)
  | { readonly kind: "ask"; readonly id: number; readonly request: PeerRequest; readonly timeoutMs: Millis }
  | { readonly kind: "answer"; readonly id: number; readonly reply: PeerReply }
  | {
      readonly kind: "answer-handler";
      readonly handler: string;
      readonly resource: string;
      readonly code: 4 | 7 | 6 | 1;
    }
  | {
      readonly kind: "command-reply";
      readonly id: number;
      readonly outcome: "done" | "refused" | "failed";
      readonly rule: string | null;
      readonly text: string;
      readonly next: string;
    }
  | { readonly kind: "beat" }
  | { readonly kind: "token" }
  | { readonly kind: "kick-initiators" }
  /** The order to fence that is in flight is not carried out where it has not begun: the other host answers again (V7). */
  | { readonly kind: "withdraw-fence"; readonly id: number }
  | { readonly kind: "look-at-domains" }
  | { readonly kind: "log"; readonly level: "info" | "warn" | "error"; readonly event: string; readonly detail: string }
  | { readonly kind: "alert"; readonly id: AlarmId; readonly text: string }
  | { readonly kind: "alert-over"; readonly id: AlarmId };
