/** Which calls a supporter answers itself: xapi's whitelist and its emergency list. Data only. */

export const EMERGENCY_CALLS: ReadonlySet<string> = new Set([
  "session.slave_local_login",
  "session.slave_local_login_with_password",
  "session.local_logout",
  "pool.emergency_transition_to_master",
  "pool.emergency_reset_master",
  "pool.is_slave",
  "host.is_in_emergency_mode",
  "host.local_assert_healthy",
  "host.ha_xapi_healthcheck",
  "host.emergency_ha_disable",
  "host.shutdown_agent",
  "host.get_system_status_capabilities",
]);

export const WHITELIST: ReadonlySet<string> = new Set(["session.login_with_password", "session.slave_login"]);
