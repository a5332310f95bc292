/** declare_dead and power_state_reset. xapi trusts live=false and asks nobody: reproduced, not improved. */
import { execFile } from "node:child_process";
import { readdirSync, existsSync } from "node:fs";
import { join } from "node:path";
import { answersNow, isLive } from "./host-exec.ts";
import { resetDiskLocks } from "./placement.ts";
import { NULL_REF } from "./schema.ts";
import { fail } from "./types.ts";
import { markHalted } from "./vm-power.ts";
import type { Xapi } from "./xapi.ts";

/** Throws HOST_IS_LIVE when the flag says live and the host answers; a host with live=false is never asked. */
export const assertHostDead = async (xapi: Xapi, host: string): Promise<void> => {
  if (host === xapi.here) fail("HOST_IS_LIVE", host);
  if (isLive(xapi, host) && (await answersNow(xapi, host))) fail("HOST_IS_LIVE", host);
};

export const powerStateReset = async (xapi: Xapi, vm: string): Promise<void> => {
  const { db } = xapi;
  if (db.get("VM", vm, "is_control_domain") === true) fail("CANNOT_RESET_CONTROL_DOMAIN", vm);
  const host = db.text("VM", vm, "resident_on");
  if (host === xapi.here) {
    const domains = await xapi.options.hypervisor.list();
    if (domains.some((domain) => domain.vmUuid === db.text("VM", vm, "uuid"))) fail("DOMAIN_EXISTS", vm);
  } else if (host !== NULL_REF && db.has("host", host)) {
    await assertHostDead(xapi, host);
  }
  markHalted(xapi, vm, true);
};

/** Runs the scripts of one hook folder; an exit code above 1 ends the operation. */
const runHooks = async (xapi: Xapi, name: string, uuid: string, reason: string): Promise<void> => {
  const folder = join(xapi.options.paths.hooks, name);
  if (!existsSync(folder)) return;
  for (const script of readdirSync(folder).toSorted()) {
    const path = join(folder, script);
    const { code, stdout } = await new Promise<{ code: number; stdout: string }>((resolve) => {
      execFile(path, ["-hostuuid", uuid, "-reason", reason], (error, output) => {
        resolve({ code: typeof error?.code === "number" ? error.code : error ? 2 : 0, stdout: output });
      });
    });
    if (code > 1) fail("XAPI_HOOK_FAILED", script, reason, stdout, String(code));
  }
};

export const declareDead = async (xapi: Xapi, host: string): Promise<void> => {
  const { db } = xapi;
  const uuid = db.text("host", host, "uuid");
  await assertHostDead(xapi, host);
  await runHooks(xapi, "host-pre-declare-dead", uuid, "user");
  for (const vm of db.pointingAt("VM", "resident_on", host)) {
    if (db.get("VM", vm, "is_control_domain") !== true) await powerStateReset(xapi, vm);
  }
  db.set("host", host, { enabled: false });
  resetDiskLocks(xapi, host);
  await runHooks(xapi, "host-post-declare-dead", uuid, "user");
};

export const destroyHost = async (xapi: Xapi, host: string): Promise<void> => {
  const { db } = xapi;
  if (host === xapi.here || isLive(xapi, host)) fail("HOST_IS_LIVE", host);
  const residents = db.pointingAt("VM", "resident_on", host);
  const guests = residents.filter((vm) => db.get("VM", vm, "is_control_domain") !== true);
  if (guests.length > 0) fail("HOST_HAS_RESIDENT_VMS", host);
  for (const vm of residents) db.destroy("VM", vm);
  for (const pbd of db.pointingAt("PBD", "host", host)) db.destroy("PBD", pbd);
  for (const pif of db.pointingAt("PIF", "host", host)) db.destroy("PIF", pif);
  const metrics = db.text("host", host, "metrics");
  if (db.has("host_metrics", metrics)) db.destroy("host_metrics", metrics);
  db.destroy("host", host);
};
