// Names of the areas that LOG_<area>, MAIL_<area> and PRIORITY_<area> switch: the function names that administrators
// of HA-Lizard have in their files, and the areas of our own events (the part of an event name before the dot).

import type { AreaConfig } from "./config.ts";

/** The 20 names of HA-Lizard's LOG_ family; its MAIL_ family has all of them but check_ha_enabled. */
export const SEED_AREAS: readonly string[] = [
  "check_ha_enabled",
  "get_pool_host_list",
  "get_pool_ip_list",
  "master_ip",
  "check_xapi",
  "get_app_vms",
  "vm_state",
  "vm_state_check",
  "vm_mon",
  "promote_slave",
  "get_vms_on_host",
  "get_vms_on_host_local",
  "check_vm_managed",
  "write_pool_state",
  "check_slave_status",
  "fence_host",
  "email",
  "autoselect_slave",
  "check_quorum",
  "xe_wrapper",
];

export const EVENT_AREAS: readonly string[] = [
  "daemon",
  "state",
  "peer",
  "episode",
  "vote",
  "storage",
  "drbd",
  "io",
  "handler",
  "vip",
  "target",
  "fence",
  "self_fence",
  "epoch",
  "mode",
  "maintenance",
  "xapi",
  "vm",
  "alert",
  "action",
  "cycle",
  "config",
  "watchdog",
  "control",
  "log",
  "pool",
  "witness",
];

export const ALL_AREAS: readonly string[] = [...SEED_AREAS, ...EVENT_AREAS];

/** Which function name of HA-Lizard switches an area of ours too: who muted `fence_host` there wants no `fence` here. */
const SEED_OF: Readonly<Record<string, string>> = {
  fence: "fence_host",
  vm: "vm_mon",
  vote: "check_quorum",
  xapi: "check_xapi",
  peer: "check_slave_status",
  episode: "check_slave_status",
  storage: "promote_slave",
  mode: "check_ha_enabled",
  alert: "email",
};

const STANDARD: AreaConfig = { log: true, mail: true, priority: 3 };

/** The switches of an event area: its own and those of the name that HA-Lizard has for it. */
export function areaSwitches(areas: Readonly<Record<string, AreaConfig>>, area: string): AreaConfig {
  const own = areas[area] ?? STANDARD;
  const seed = areas[SEED_OF[area] ?? ""] ?? STANDARD;
  return {
    log: own.log && seed.log,
    mail: own.mail && seed.mail,
    priority: own.priority === STANDARD.priority ? seed.priority : own.priority,
  };
}
