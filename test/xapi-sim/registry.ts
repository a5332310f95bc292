/** Every method by name: those written by hand and those each class has by its fields. */
import { genericMethods } from "./generic.ts";
import { eventMethods } from "./events.ts";
import { hostMethods } from "./methods-host.ts";
import { miscMethods } from "./methods-misc.ts";
import { poolMethods } from "./methods-pool.ts";
import { sessionMethods } from "./methods-session.ts";
import { storageMethods } from "./methods-storage.ts";
import { vmMethods } from "./methods-vm.ts";
import { evacuateMethods } from "./methods-evacuate.ts";
import { applianceMethods } from "./methods-appliance.ts";
import type { Method } from "./method.ts";

let table: Map<string, Method> | undefined;

const listMethods: Method = {
  params: [],
  session: false,
  noAsync: true,
  local: true,
  run: () => methodNames(),
};

const methods = (): Map<string, Method> => {
  table ??= new Map<string, Method>(
    Object.entries({
      ...genericMethods(),
      ...sessionMethods,
      ...poolMethods,
      ...hostMethods,
      ...evacuateMethods,
      ...vmMethods,
      ...applianceMethods,
      ...storageMethods,
      ...eventMethods,
      ...miscMethods,
      "system.listMethods": listMethods,
    }),
  );
  return table;
};

export const findMethod = (name: string): Method | undefined => methods().get(name);

/** As xapi lists them: plain names only, Async forms are not named. */
export const methodNames = (): string[] => [...methods().keys()].filter((name) => !name.startsWith("system."));
