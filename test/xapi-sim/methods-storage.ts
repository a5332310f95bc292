/** Calls on SRs, PBDs, VDIs and VBDs. Attaching is done by the storage port of the PBD's host. */
import { execOn } from "./host-exec.ts";
import { action, query, type MethodTable } from "./method.ts";
import { asText, fail, isRec, type Json, type Rec } from "./types.ts";
import type { Xapi } from "./xapi.ts";

const attached = (xapi: Xapi, pbd: string): boolean => xapi.db.get("PBD", pbd, "currently_attached") === true;

const target = (xapi: Xapi, pbd: string): Rec => {
  const sr = xapi.db.text("PBD", pbd, "SR");
  const deviceConfig = xapi.db.get("PBD", pbd, "device_config");
  return { srUuid: xapi.db.text("SR", sr, "uuid"), srType: xapi.db.text("SR", sr, "type"), deviceConfig };
};

export const plugPbd = async (xapi: Xapi, pbd: string): Promise<void> => {
  if (attached(xapi, pbd)) return;
  await execOn(xapi, xapi.db.text("PBD", pbd, "host"), "storage.attach", target(xapi, pbd));
  xapi.db.set("PBD", pbd, { currently_attached: true });
};

/** PBDs of a host that starts are not attached: only plugging them now can tell. */
export const forgetAttachments = (xapi: Xapi, host: string): void => {
  for (const pbd of xapi.db.pointingAt("PBD", "host", host)) xapi.db.set("PBD", pbd, { currently_attached: false });
};

/** Plugs what can be plugged at the start of a host; what fails stays unplugged. */
export const plugAllOf = async (xapi: Xapi, host: string): Promise<void> => {
  for (const pbd of xapi.db.pointingAt("PBD", "host", host)) {
    await plugPbd(xapi, pbd).catch((error: unknown) => xapi.log(`PBD not plugged at start: ${String(error)}`));
  }
};

/** VDIs of the PBD's SR that VMs on its host use. */
const inUse = (xapi: Xapi, pbd: string): string[] => {
  const host = xapi.db.text("PBD", pbd, "host");
  return xapi.db
    .pointingAt("VDI", "SR", xapi.db.text("PBD", pbd, "SR"))
    .filter((vdi) =>
      xapi.db
        .pointingAt("VBD", "VDI", vdi)
        .some(
          (vbd) => attachedVbd(xapi, vbd) && xapi.db.text("VM", xapi.db.text("VBD", vbd, "VM"), "resident_on") === host,
        ),
    );
};

const attachedVbd = (xapi: Xapi, vbd: string): boolean => xapi.db.get("VBD", vbd, "currently_attached") === true;

const unplugPbd = async (xapi: Xapi, pbd: string): Promise<void> => {
  if (!attached(xapi, pbd)) return;
  const users = inUse(xapi, pbd);
  if (users.length > 0) fail("VDI_IN_USE", ...users);
  await execOn(xapi, xapi.db.text("PBD", pbd, "host"), "storage.detach", target(xapi, pbd));
  xapi.db.set("PBD", pbd, { currently_attached: false });
};

const scan = async (xapi: Xapi, sr: string): Promise<void> => {
  const plugged = xapi.db.pointingAt("PBD", "SR", sr).filter((pbd) => attached(xapi, pbd));
  const shared = xapi.db.get("SR", sr, "shared") === true;
  const usable = plugged.find((pbd) => !shared || xapi.db.text("PBD", pbd, "host") === xapi.here);
  const pbd = usable ?? fail("SR_HAS_NO_PBDS", sr);
  await execOn(xapi, xapi.db.text("PBD", pbd, "host"), "storage.scan", target(xapi, pbd));
  xapi.db.touch("SR", sr);
};

const recordOf = (value: Json | undefined): Rec => (isRec(value) ? value : {});

/** A shared SR is made and plugged on the host that was asked first, then on the others. */
const createSr = async (xapi: Xapi, host: string, deviceConfig: Rec, fields: Rec): Promise<string> => {
  const sr = xapi.db.create("SR", fields);
  const others = fields["shared"] === true ? xapi.db.refs("host").filter((ref) => ref !== host) : [];
  for (const ref of [host, ...others]) {
    const record = { host: ref, SR: sr, device_config: deviceConfig, currently_attached: false };
    await plugPbd(xapi, xapi.db.create("PBD", record));
  }
  return sr;
};

const setVbd = (currently: boolean, refusal: string) =>
  action(["@VBD"], ({ xapi }, [given]) => {
    const vbd = asText(given);
    const vm = xapi.db.text("VBD", vbd, "VM");
    const state = xapi.db.text("VM", vm, "power_state");
    if (state !== "Running") fail("VM_BAD_POWER_STATE", vm, "running", state.toLowerCase());
    if (attachedVbd(xapi, vbd) === currently) fail(refusal, vbd);
    xapi.db.set("VBD", vbd, { currently_attached: currently });
  });

export const storageMethods: MethodTable = {
  "SR.probe": query(["@host", "{s,s}", "s", "{s,s}"], ({ xapi }, [host, deviceConfig, type]) =>
    execOn(xapi, asText(host), "storage.probe", {
      srUuid: "",
      srType: asText(type),
      deviceConfig: recordOf(deviceConfig),
    }),
  ),
  "SR.create": query(
    ["@host", "{s,s}", "i", "s", "s", "s", "s", "b", "{s,s}"],
    ({ xapi }, [host, deviceConfig, , name = "", description = "", type = "", content = "", shared = false]) =>
      createSr(xapi, asText(host), recordOf(deviceConfig), {
        name_label: name,
        name_description: description,
        type,
        content_type: content,
        shared,
      }),
  ),
  "SR.scan": action(["@SR"], ({ xapi }, [sr]) => scan(xapi, asText(sr))),
  "SR.forget": action(["@SR"], ({ xapi }, [given]) => {
    const sr = asText(given);
    const pbds = xapi.db.pointingAt("PBD", "SR", sr);
    if (pbds.some((pbd) => attached(xapi, pbd))) fail("SR_HAS_PBD", sr);
    for (const pbd of pbds) xapi.db.destroy("PBD", pbd);
    for (const vdi of xapi.db.pointingAt("VDI", "SR", sr)) xapi.db.destroy("VDI", vdi);
    xapi.db.destroy("SR", sr);
  }),
  "PBD.plug": action(["@PBD"], ({ xapi }, [pbd]) => plugPbd(xapi, asText(pbd))),
  "PBD.unplug": action(["@PBD"], ({ xapi }, [pbd]) => unplugPbd(xapi, asText(pbd))),
  "PBD.create": query(["?"], ({ xapi }, [record]) =>
    xapi.db.create("PBD", { ...recordOf(record), currently_attached: false }),
  ),
  "PBD.destroy": action(["@PBD"], ({ xapi }, [pbd]) => {
    if (attached(xapi, asText(pbd))) fail("OPERATION_NOT_ALLOWED", "PBD is currently attached");
    xapi.db.destroy("PBD", asText(pbd));
  }),
  "VDI.create": query(["?"], ({ xapi }, [record]) => xapi.db.create("VDI", recordOf(record))),
  "VDI.destroy": action(["@VDI"], ({ xapi }, [given]) => {
    const vdi = asText(given);
    xapi.db.text("VDI", vdi, "uuid");
    const vbds = xapi.db.pointingAt("VBD", "VDI", vdi);
    if (vbds.some((vbd) => attachedVbd(xapi, vbd))) fail("VDI_IN_USE", vdi, "destroy");
    for (const vbd of vbds) xapi.db.destroy("VBD", vbd);
    xapi.db.destroy("VDI", vdi);
  }),
  "VBD.create": query(["?"], ({ xapi }, [record]) =>
    xapi.db.create("VBD", { ...recordOf(record), currently_attached: false }),
  ),
  "VBD.destroy": action(["@VBD"], ({ xapi }, [vbd]) => {
    if (attachedVbd(xapi, asText(vbd))) fail("OPERATION_NOT_ALLOWED", "VBD is currently attached");
    xapi.db.destroy("VBD", asText(vbd));
  }),
  "VBD.plug": setVbd(true, "DEVICE_ALREADY_ATTACHED"),
  "VBD.unplug": setVbd(false, "DEVICE_ALREADY_DETACHED"),
  "VBD.unplug_force": setVbd(false, "DEVICE_ALREADY_DETACHED"),
};
