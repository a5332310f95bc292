/** VM appliances: groups of VMs started by order and stopped in the reverse order. */
import { action, query, type MethodContext, type MethodTable } from "./method.ts";
import { NULL_REF } from "./schema.ts";
import { startTask } from "./tasks.ts";
import { asNumber, asText, fail, isRec, sleep } from "./types.ts";
import { cleanShutdown, hardShutdown, startVm } from "./vm-power.ts";
import type { Xapi } from "./xapi.ts";

const POLL_MS = 50;

const members = (xapi: Xapi, appliance: string): string[] => {
  xapi.db.text("VM_appliance", appliance, "uuid");
  return xapi.db.pointingAt("VM", "appliance", appliance);
};

/** Runs the work on groups of equal order, each group at once and to its end, then checks the state wanted. */
const inOrder = async (
  { xapi }: MethodContext,
  appliance: string,
  options: { name: string; wanted: string; reverse: boolean },
  work: (vm: string) => Promise<void>,
): Promise<void> => {
  const state = (vm: string): string => xapi.db.text("VM", vm, "power_state");
  const order = (vm: string): number => asNumber(xapi.db.get("VM", vm, "order"));
  const pending = members(xapi, appliance).filter((vm) => state(vm) !== options.wanted);
  const orders = [...new Set(pending.map(order))].toSorted((a, b) => (options.reverse ? b - a : a - b));
  for (const group of orders) {
    const tasks = pending
      .filter((vm) => order(vm) === group)
      .map((vm) =>
        startTask(xapi, `Async.VM.${options.name}`, async () => {
          await work(vm);
          return "";
        }),
      );
    while (tasks.some((task) => xapi.db.has("task", task) && xapi.db.text("task", task, "status") === "pending"))
      await sleep(POLL_MS);
    for (const task of tasks) if (xapi.db.has("task", task)) xapi.db.destroy("task", task);
  }
  const failed = pending.filter((vm) => state(vm) !== options.wanted);
  if (failed.length > 0) fail("OPERATION_PARTIALLY_FAILED", `VM_appliance.${options.name}`, ...failed);
};

const stop = (name: string, work: (xapi: Xapi, vm: string) => Promise<void>) =>
  action(["@VM_appliance"], (context, [app]) =>
    inOrder(context, asText(app), { name, wanted: "Halted", reverse: true }, (vm) => work(context.xapi, vm)),
  );

export const applianceMethods: MethodTable = {
  "VM_appliance.create": query(["?"], ({ xapi }, [record]) => {
    const given = isRec(record) ? record : {};
    const text = (name: string): string => asText(given[name]);
    return xapi.db.create("VM_appliance", {
      name_label: text("name_label"),
      name_description: text("name_description"),
    });
  }),
  "VM_appliance.destroy": action(["@VM_appliance"], ({ xapi }, [app]) => {
    for (const vm of members(xapi, asText(app))) xapi.db.set("VM", vm, { appliance: NULL_REF });
    xapi.db.destroy("VM_appliance", asText(app));
  }),
  "VM_appliance.start": action(["@VM_appliance", "b"], (context, [app, paused]) =>
    inOrder(
      context,
      asText(app),
      { name: "start", wanted: paused === true ? "Paused" : "Running", reverse: false },
      (vm) => startVm(context.xapi, vm, undefined, paused === true),
    ),
  ),
  "VM_appliance.hard_shutdown": stop("hard_shutdown", hardShutdown),
  "VM_appliance.clean_shutdown": stop("clean_shutdown", cleanShutdown),
  "VM_appliance.shutdown": stop("shutdown", hardShutdown),
};
