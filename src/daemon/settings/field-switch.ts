// HA switched in the pool's database. Our own key, which only a pool administrator may write, switches as the commands do.
// The custom field that XenCenter shows may be written by every VM operator: it disables where CUSTOM_FIELD_SWITCH allows
// it, with an alarm each time, and never enables. Everything else that is written there is set right again.
// Only a change that is seen to happen counts: what a restored database says was decided long ago.

import { customField } from "../../core/decide/vms/protection.ts";
import type { Config } from "../../config/config.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import type { Alerts } from "../alerts/alerts.ts";

export const ENABLED_KEY = "tandem:enabled";
export const FIELD_ALERT = "custom-field";

export type Wish =
  | { readonly kind: "none" }
  | { readonly kind: "enable" | "disable"; readonly by: "key" | "field" }
  /** The field says something that it may not decide. */
  | { readonly kind: "ignored"; readonly said: string };

type Keys = Readonly<Record<string, string>>;

const word = (text: string | undefined): boolean | null => {
  const said = text?.trim().toLowerCase();
  return said === "true" ? true : said === "false" ? false : null;
};

/** What a change of other-config asks for. `isOn`: HA as it is. */
export function wishOf(
  before: Keys,
  after: Keys,
  isOn: boolean,
  vm: Pick<Config["vm"], "fieldName" | "customFieldMayDisable">,
): Wish {
  const changed = (key: string): boolean | null => {
    const now = word(after[key]);
    return now === null || now === word(before[key]) || now === isOn ? null : now;
  };
  const key = changed(ENABLED_KEY);
  if (key !== null) return { kind: key ? "enable" : "disable", by: "key" };
  const field = changed(customField(vm));
  if (field === null) return { kind: "none" };
  if (!field && vm.customFieldMayDisable) return { kind: "disable", by: "field" };
  return { kind: "ignored", said: String(field) };
}

export interface FieldSwitchParts {
  readonly config: () => Pick<Config, "vm">;
  /** Null while it is being changed. */
  readonly haIsOn: () => boolean | null;
  /** Both hosts see the change; the one whose toolstack is the master acts. */
  readonly isMaster: () => boolean;
  readonly switchHa: (kind: "enable" | "disable") => Promise<ControlReply>;
  /** Writes into the database what HA is. */
  readonly mirror: (on: boolean) => Promise<unknown>;
  readonly alerts: Pick<Alerts, "raise">;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface FieldSwitch {
  poolChanged(view: PoolView): void;
}

export function createFieldSwitch(parts: FieldSwitchParts): FieldSwitch {
  let last: { readonly masterRef: string; readonly keys: Keys } | null = null;

  async function act(wish: Exclude<Wish, { kind: "none" }>, isOn: boolean): Promise<void> {
    const field = customField(parts.config().vm);
    if (wish.kind === "ignored") {
      const why = wish.said === "true" ? "the field never enables" : "CUSTOM_FIELD_SWITCH is 0";
      const text = `somebody set ${field} to ${wish.said}: that switches nothing (${why}); it is set back. Use 'ha-cfg enable' or 'ha-cfg disable'`;
      parts.alerts.raise(FIELD_ALERT, text);
      await parts.mirror(isOn);
      return;
    }
    const by = wish.by === "key" ? ENABLED_KEY : field;
    if (wish.by === "field")
      parts.alerts.raise(FIELD_ALERT, `HA is being disabled because somebody set ${field} to false`);
    parts.log("mode.changed", `${wish.kind} HA: ${by} was changed in the pool database`, "warn");
    const reply = await parts.switchHa(wish.kind);
    if (reply.kind === "done") return;
    const reason = "reason" in reply ? reply.reason : reply.kind;
    parts.alerts.raise(FIELD_ALERT, `${by} asked to ${wish.kind} HA, and that was refused: ${reason}`);
    await parts.mirror(isOn);
  }

  return {
    poolChanged(view) {
      const before = last;
      last = { masterRef: view.masterRef, keys: view.otherConfig };
      const isOn = parts.haIsOn();
      // Another master may have brought an older database.
      if (before === null || before.masterRef !== view.masterRef || isOn === null || !parts.isMaster()) return;
      const wish = wishOf(before.keys, view.otherConfig, isOn, parts.config().vm);
      if (wish.kind !== "none") void act(wish, isOn);
    },
  };
}
