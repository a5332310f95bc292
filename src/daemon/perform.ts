// What the hands do with each action of the brain: effects go to the executor, the rest is answered here.

import { execute, type Hands } from "../act/execute.ts";
import type { Lanes } from "../act/lanes.ts";
import type { Config, StorageConfig } from "../config/config.ts";
import { withoutRepeats, type Tell } from "../report/repeats.ts";
import type { Alerts } from "./alerts/alerts.ts";
import type { Control } from "./requests/control.ts";
import type { Drivers } from "./drivers.ts";
import type { OuterAction, OutsideEvent, Snapshot } from "./brain/messages.ts";
import type { Settings } from "./settings/settings.ts";
import type { StoragePart } from "./storage/storage-part.ts";
import type { WitnessPart } from "./readiness/witness-part.ts";

/** Share of the sample period within which the addresses must answer (protocol.md 4: 0.45 s of 0.5 s). */
const SAMPLE_SHARE = 0.85;

export interface PerformParts {
  readonly drivers: Pick<Drivers, "votes" | "signs" | "powerLook" | "firewall" | "vip">;
  readonly hands: Hands;
  readonly lanes: Lanes;
  readonly storage: StorageConfig;
  readonly storagePart: StoragePart;
  readonly config: () => Config;
  readonly settings: Pick<Settings, "core">;
  readonly snapshot: () => Snapshot | null;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly control: Pick<Control, "settle">;
  readonly witness: Pick<WitnessPart, "ask">;
  readonly feed: (event: OutsideEvent) => void;
  readonly log: Tell;
}

export function createPerform(parts: PerformParts): (action: OuterAction) => void {
  const { drivers, storage, storagePart, alerts, feed } = parts;
  const { votes, signs, powerLook, firewall, vip } = drivers;
  const { address } = storage.vip;
  const { port } = storage.target.portal;
  const tell = withoutRepeats(parts.log, () => performance.now());

  function sample(id: number): void {
    const { heuristics, timers } = parts.settings.core();
    void votes.sample(heuristics, timers.sample * SAMPLE_SHARE).then((passed) => {
      feed({ kind: "sample", id, passed });
    });
  }

  function probe(id: number): void {
    const config = parts.config();
    const { device } = storage.vip;
    const questions = [{ address: config.peer.replication, device }];
    const managementDevice = config.managementInterface;
    if (managementDevice !== null) questions.push({ address: config.peer.management, device: managementDevice });
    const seen = parts.snapshot()?.state.vip;
    const present = seen?.kind === "known" && seen.value === "present";
    const state = parts.snapshot()?.state;
    // The owner's own turn comes first in any case.
    const asks = state !== undefined && state.durable.owner !== config.self.uuid && state.fence.pending === null;
    const off = asks && config.fence.enabled && powerLook.isOff(config.peer.uuid);
    const found = signs.look(questions, present ? null : { address, device });
    feed({ kind: "probe", id, ...found, ...(off ? { power: "off" } : {}) });
  }

  return function perform(action) {
    switch (action.kind) {
      case "log":
        return tell(action.event, action.detail, action.level);
      case "alert":
        return alerts.raise(action.id, action.text);
      case "alert-over":
        return alerts.clear(action.id);
      case "sample":
        return sample(action.id);
      case "ask-witness":
        return parts.witness.ask(action.id, action, action.timeoutMs);
      case "probe":
        return probe(action.id);
      case "answer-handler":
        void storagePart.answer(action.handler, action.code);
        return;
      case "command-reply":
        return parts.control.settle(action);
      case "kick-initiators":
        // After the portal is open: each of the two is a process, and the initiators need none of them to log in. A session
        // that is kicked while this host is still silent has its first packet dropped, and sends the next one a second later.
        void firewall.hush(address, port, "off").finally(() => {
          vip.announce(storage.vip);
          firewall.kick(address, port);
        });
        return;
      case "withdraw-fence":
        parts.hands.withdrawn.add(action.id);
        return;
      case "look-at-domains":
        void storagePart.domains();
        return;
      default:
        return execute(action, parts.hands, parts.lanes, storagePart);
    }
  };
}
