// The order of things (protocol.md 7): what each sequence does, stage by stage. Effects of one stage run together;
// a stage starts when the one before it has ended well. The target stops before the floating IP leaves, or the portal is
// closed; the floating IP leaves before the demotion (V9), and nothing is served before everything is there.

import { assertNever } from "../../util/assert.ts";
import { everyView, supersededWrites } from "../facts.ts";
import type { DurableRecord } from "../model/durable.ts";
import type { PeerRequest } from "../model/peer.ts";
import type { Activity, State } from "../model/state.ts";
import { inForce } from "../rules.ts";
import type { EffectBody } from "./action.ts";

export type StageItem =
  | { readonly kind: "effect"; readonly body: EffectBody }
  | { readonly kind: "ask"; readonly request: PeerRequest }
  | { readonly kind: "write"; readonly patch: Partial<DurableRecord> };

/** The stage of a release that demotes; from there on nothing is served here. */
export const RELEASE_DEMOTES = 4;

/**
 * V6: the record that gives the storage up is written beside the demotion, which saves its time, where no promotion can come
 * through any more: every resource is Primary already, or nobody owned the storage before. Otherwise the kernel may still
 * carry out one that a stall holds up, and the demotion, which waits for it, ends first.
 */
const givesUpNow = (state: State): boolean =>
  state.durable.owner === null || everyView(state, (v) => v?.role === "Primary");

/** The record of that write is on the disk. */
const isGivenUp = ({ durable }: State, { record }: Activity): boolean =>
  durable.owner === null && (record?.epoch ?? durable.epoch) === durable.epoch;

const run = (body: EffectBody): StageItem => ({ kind: "effect", body });

export function stages(state: State, activity: Activity): readonly (readonly StageItem[])[] {
  const each = (body: (resource: string) => EffectBody): StageItem[] =>
    state.config.resources.map((resource) => run(body(resource)));
  const demote = each((resource) => ({ kind: "demote", resource }));
  switch (activity.kind) {
    case "activate": {
      // The token is revalidated before the epoch is written: the releaser forgets it when it sees the new epoch (A9).
      const validate: StageItem[] =
        activity.token === null || !inForce(state.config, "A9")
          ? []
          : [{ kind: "ask", request: { kind: "validate", token: activity.token } }];
      // V6: after a write that failed the disk may say that nobody owns the storage: what this host knows is written again.
      const record = activity.record ?? (state.unsure === null ? null : {});
      const write: StageItem[] = record === null ? [] : [{ kind: "write", patch: record }];
      return [
        validate,
        write,
        // Silent until the portal listens: between the floating IP and the portal an initiator would be refused, and the
        // kernel's waits three seconds after a refusal.
        [
          run({ kind: "hush-portal", what: "all" }),
          ...each((resource) => ({ kind: "promote", resource })),
          run({ kind: "target-warm" }),
        ],
        [run({ kind: "target-fill", bar: state.barred })],
        [run({ kind: "vip-add" })],
        [run({ kind: "portal-open" })],
        [run({ kind: "hush-portal", what: "off" }), run({ kind: "unblock-portal" })],
      ];
    }
    case "release": {
      const givenUp: StageItem = { kind: "write", patch: { owner: null, ...activity.record } };
      return [
        // Silence first: the initiators meet neither resets nor refusals while nobody serves. The target is dead before
        // the floating IP leaves. The silence lasts here until the other host serves: this host's own initiators would
        // ask in vain whose the floating IP is, and ask again only a second later.
        [run({ kind: "hush-portal", what: "requests" })],
        [run({ kind: "hush-portal", what: "all" })],
        [run({ kind: "target-withdraw" })],
        [run({ kind: "vip-remove" })],
        givesUpNow(state) ? [...demote, givenUp] : demote,
        isGivenUp(state, activity) ? [] : [givenUp],
      ];
    }
    case "stand-down":
      return [
        [run({ kind: "block-portal" })],
        // Behind the closed portal it may go first: the next stage withdraws it from a Primary that becomes Secondary (V9).
        [run({ kind: "vip-remove" })],
        // A target that waits for suspended writes cannot end, and holds the device. Once the other host owns the storage
        // these writes are nobody's: they fail, the target ends, DRBD is set up anew and resyncs from the owner (D11).
        // They may be suspended and resumed at any moment, so that decides nothing about the order of the stages.
        [
          run({ kind: "target-withdraw" }),
          ...supersededWrites(state).map((resource) => run({ kind: "demote", resource, abandon: true })),
        ],
        demote,
        [run({ kind: "unblock-portal" })],
      ];
    case "soft-fence":
      return [[run({ kind: "block-portal" }), run({ kind: "vip-remove" }), run({ kind: "pause-domains" })]];
    case "soft-fence-end":
      return [
        [run({ kind: "unblock-portal" }), run({ kind: "unpause-domains", destroy: state.peer.body?.domains ?? [] })],
      ];
    default:
      return assertNever(activity.kind);
  }
}
