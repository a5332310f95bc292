// Takes a host that holds no copy of the storage out of service and back: no VM starts here, its VMs move to the others,
// the pool neither fences it nor gives it VMs. Which VMs moved is kept on disk, so that they come back.

import { disableHost, enableHost, evacuateHost } from "../../act/pool/maintenance.ts";
import type { Done, PoolContext } from "../../act/pool/procedure.ts";
import { returnVms } from "../../act/pool/return-vms.ts";
import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { PoolCommand } from "../../core/pool/model.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import type { JsonCache } from "../../drivers/store/json-cache.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import type { Result } from "../../util/result.ts";
import type { KeptMaintenance } from "../requests/maintenance-cache.ts";

export interface MemberMaintenanceParts {
  readonly self: () => { readonly uuid: string; readonly name: string };
  readonly command: (body: PoolCommand) => Promise<ControlReply>;
  readonly perform: <T>(work: (context: PoolContext) => Promise<Done<T>>) => Promise<Result<T, string>>;
  readonly view: () => Observation<PoolView>;
  readonly masterOnly: () => boolean;
  readonly cache: JsonCache<KeptMaintenance | null>;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface MemberMaintenance {
  begin(tell: (text: string) => void): Promise<ControlReply>;
  end(returnThem: boolean, tell: (text: string) => void): Promise<ControlReply>;
}

export function createMemberMaintenance(parts: MemberMaintenanceParts): MemberMaintenance {
  const { perform, cache } = parts;
  let running = false;

  async function alone(tell: (text: string) => void, work: (say: (text: string) => void) => Promise<ControlReply>) {
    if (running) return refused("maintenance is being switched just now", "wait for it to end: ha-cfg log");
    running = true;
    try {
      return await work((text) => {
        parts.log("maintenance.step", text);
        tell(text);
      });
    } finally {
      running = false;
    }
  }

  async function keep(next: KeptMaintenance | null): Promise<void> {
    const saved = await cache.save(next);
    if (!saved.ok) parts.log("action.failed", saved.error, "warn");
  }

  async function enter(say: (text: string) => void): Promise<ControlReply> {
    const { uuid, name } = parts.self();
    const view = valueOf(parts.view());
    if (view === undefined) return failed("the pool database is not readable just now", "see 'ha-cfg status'");
    const own = view.hosts.find((host) => host.uuid === uuid);
    if (view.masterRef === own?.ref)
      return refused(`${name} is the pool master`, "xe pool-designate-new-master host-uuid=…, then try again");
    const here = view.vms.filter((vm) => vm.residentOn === own?.ref);
    if (parts.masterOnly() && here.length > 0)
      return refused(
        `MASTER_ONLY is 1, and ${here.map((vm) => vm.name).join(", ")} run here`,
        "their own manager moves them away first",
      );
    const before = await cache.load();
    const moved = [...new Set([...(before?.moved ?? []), ...here.map((vm) => vm.uuid)])];
    await keep({ phase: "entering", moved, returnVms: true });
    const stop = async (reply: ControlReply): Promise<ControlReply> => {
      await keep({ phase: "stopped", moved, returnVms: true });
      return reply;
    };
    say(`no VM is started on ${name} any more`);
    const disabled = await perform((context) => disableHost(context, uuid));
    if (!disabled.ok) return stop(failed(disabled.error, BACK));
    say(here.length === 0 ? `no VM runs on ${name}` : `moving ${here.length} VMs to other hosts`);
    const left = await perform((context) => evacuateHost(context, uuid));
    const stays = left.ok ? left.value.left.map((vm) => vm.name).join(", ") : left.error;
    if (stays !== "") {
      // Half empty it is of no use: back into service at once.
      const enabled = await perform((context) => enableHost(context, uuid));
      const also = enabled.ok ? "" : `; and it could not be enabled again: ${enabled.error}`;
      return stop(
        failed(`not every VM can leave ${name}: ${stays}${also}`, "shut these VMs down or move them, then try again"),
      );
    }
    const flagged = await parts.command({ kind: "maintenance", on: true });
    if (flagged.kind !== "done") return stop(flagged);
    await keep({ phase: "held", moved, returnVms: true });
    const text = `${name} is in maintenance: its VMs run on other hosts. Reboot it or switch it off as you like; HA holds. End with: ha-cfg maintenance off`;
    return { kind: "done", text };
  }

  async function leave(returnThem: boolean, say: (text: string) => void): Promise<ControlReply> {
    const { uuid, name } = parts.self();
    const kept = await cache.load();
    const flagged = await parts.command({ kind: "maintenance", on: false });
    if (flagged.kind !== "done") return flagged;
    say(`VMs may run on ${name} again`);
    const enabled = await perform((context) => enableHost(context, uuid));
    if (!enabled.ok) return failed(enabled.error, "see 'ha-cfg log'; then run 'ha-cfg maintenance off' again");
    const vmUuids = returnThem ? (kept?.moved ?? []) : [];
    if (vmUuids.length > 0) say("bringing the VMs back that were moved away");
    const back =
      vmUuids.length === 0 ? null : await perform((context) => returnVms(context, { vmUuids, toUuid: uuid }));
    await keep(null);
    if (back?.ok === false)
      return failed(`${name} is in service again, but its VMs did not come back: ${back.error}`, "move them by hand");
    const moved = back === null || back.value.moved.length === 0 ? "" : ` Back here: ${back.value.moved.join(", ")}.`;
    const stayed = (back?.value.stayed ?? []).map((one) => `${one.name} (${one.because})`).join(", ");
    const rest = stayed === "" ? "" : ` Not moved: ${stayed}.`;
    return { kind: "done", text: `${name} is in service again.${moved}${rest}` };
  }

  return {
    begin: (tell) => alone(tell, enter),
    end: (returnThem, tell) => alone(tell, (say) => leave(returnThem, say)),
  };
}

const BACK = "run 'ha-cfg maintenance on' again, or 'ha-cfg maintenance off' to go back";
const failed = (reason: string, next: string): ControlReply => ({ kind: "failed", reason, next });
const refused = (reason: string, next: string): ControlReply => ({ kind: "refused", rule: null, reason, next });
