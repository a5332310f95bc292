/** Message records: what xapi and its clients tell the administrator. */
import { CLASS_NAMES, type ClassName } from "./schema.ts";
import { fail, xapiTime } from "./types.ts";
import type { Xapi } from "./xapi.ts";

const CLASSES: Readonly<Record<string, ClassName>> = { VM: "VM", Host: "host", SR: "SR", Pool: "pool", VDI: "VDI" };
const OTHERS = ["VMPP", "VMSS", "PVS_proxy", "Certificate"];
const LIMIT = 10_000;

export const createMessage = (
  { db }: Xapi,
  name: string,
  priority: number,
  cls: string,
  objUuid: string,
  body: string,
): string => {
  const target = CLASSES[cls];
  if (target === undefined && !OTHERS.includes(cls)) fail("INTERNAL_ERROR", 'Failure("Unknown tag/contents")');
  if (target === undefined || !CLASS_NAMES.includes(target) || db.byUuid(target, objUuid) === undefined) {
    fail("UUID_INVALID", cls, objUuid);
  }
  const ref = db.create("message", { name, priority, cls, obj_uuid: objUuid, timestamp: xapiTime(), body });
  const [oldest] = db.refs("message");
  if (db.refs("message").length > LIMIT && oldest !== undefined) db.destroy("message", oldest);
  return ref;
};
