// Where the daemon finds and keeps things on a host.

export const LOG_PATH = "/var/log/tandem/tandemd.log";
export const ALERTS_PATH = "/var/lib/tandem/alerts.json";
export const VMS_PATH = "/var/lib/tandem/vms.json";
export const HISTORY_PATH = "/var/lib/tandem/history.jsonl";
export const MAINTENANCE_PATH = "/var/lib/tandem/maintenance.json";
export const FENCE_REQUESTS = "/run/tandem/fence";
export const XAPI = {
  socket: "/var/lib/xcp/xapi",
  secret: "/etc/xensource/ptoken",
  poolConf: "/etc/xensource/pool.conf",
  initComplete: "/var/run/xapi_init_complete.cookie",
} as const;
