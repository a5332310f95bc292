// The registry of event names: the only names in log lines, timelines and the status document. One entry per thing that
// happens; the text is static, data goes into fields. Nothing here may depend on the world.

export type EventLevel = "debug" | "info" | "warn" | "error" | "fatal";

interface EventKind {
  /** warn = one operation failed or is in doubt, error = a function is down, fatal = the daemon stops. */
  readonly level: EventLevel;
  /** A sentence without data, for people. */
  readonly text: string;
}

export const events = {
  "daemon.started": { level: "info", text: "The daemon started" },
  "daemon.stopping": { level: "info", text: "The daemon is stopping" },
  "state.changed": { level: "info", text: "The state of this host changed" },
  "cycle.completed": { level: "debug", text: "One turn of observing and deciding ended" },
  "cycle.pulse": { level: "info", text: "The daemon is alive" },
  "cycle.bug": { level: "error", text: "A turn failed by a defect of the daemon; nothing was done in it" },
  "peer.suspected": { level: "warn", text: "The peer is silent" },
  "peer.dead": { level: "warn", text: "The peer has been silent for too long" },
  "peer.contact": { level: "info", text: "The peer is in contact again" },
  "peer.dropped": { level: "warn", text: "A message that claims to be from the peer was dropped" },
  "episode.evidence": { level: "info", text: "What every channel to the peer said at this moment" },
  "vote.passed": { level: "info", text: "The vote passed" },
  "vote.lost": { level: "warn", text: "The vote is lost until the next contact" },
  "witness.dropped": { level: "warn", text: "A message that claims to be from a witness was dropped" },
  "witness.gave": { level: "info", text: "The storage of a pool was granted to one of its hosts" },
  "witness.freed": { level: "info", text: "A host gave the grant of its pool back" },
  "witness.learned": { level: "info", text: "A host told that it owns the storage of its pool" },
  "witness.asked": { level: "info", text: "The witness is asked for the storage" },
  "witness.granted": { level: "info", text: "The witness granted the storage to this host" },
  "witness.refused": { level: "warn", text: "The witness refused" },
  "witness.released": { level: "info", text: "The witness's grant is given back" },
  "storage.activating": { level: "info", text: "Taking over the storage" },
  "storage.activated": { level: "info", text: "This host serves the storage" },
  "storage.releasing": { level: "info", text: "Giving the storage away" },
  "storage.released": { level: "info", text: "This host no longer serves the storage" },
  "storage.failed": { level: "error", text: "Taking over or giving away the storage failed" },
  "drbd.changed": { level: "info", text: "DRBD changed its state" },
  "drbd.discarded": { level: "warn", text: "A copy that grew apart is given up, by a person's choice" },
  "io.suspended": { level: "warn", text: "DRBD holds all writes back" },
  "io.resumed": { level: "info", text: "DRBD writes again" },
  "handler.waiting": { level: "info", text: "DRBD's fence-peer handler waits for an answer" },
  "handler.answered": { level: "info", text: "DRBD's fence-peer handler was answered" },
  "vip.added": { level: "info", text: "The floating IP was added here" },
  "vip.removed": { level: "info", text: "The floating IP was removed here" },
  "target.died": { level: "error", text: "The iSCSI target died" },
  "target.restarted": { level: "info", text: "The iSCSI target was started again" },
  "fence.requested": { level: "warn", text: "Switching the peer off" },
  "fence.confirmed": { level: "info", text: "The peer is proven to be off" },
  "fence.failed": { level: "error", text: "The peer could not be proven to be off" },
  "self-fence.begun": { level: "error", text: "This host stops serving to protect the data" },
  "self-fence.complete": { level: "warn", text: "This host has stopped serving" },
  "epoch.committed": { level: "info", text: "A new epoch is durable" },
  "mode.changed": { level: "info", text: "HA, manual mode or maintenance changed" },
  "maintenance.step": { level: "info", text: "A step of taking this host out of service, or back" },
  "xapi.promoted": { level: "info", text: "This host was made pool master" },
  "xapi.read": { level: "info", text: "The pool is readable" },
  "pool.step": { level: "info", text: "A step of a procedure on the pool" },
  "xapi.lost": { level: "warn", text: "The toolstack does not answer" },
  "vm.waiting": { level: "info", text: "A VM that ought to run waits" },
  "vm.stopped": { level: "info", text: "A VM was stopped" },
  "vm.starting": { level: "info", text: "Starting a VM" },
  "vm.started": { level: "info", text: "A VM was started" },
  "vm.failed": { level: "error", text: "A VM could not be started" },
  "vm.destroyed": { level: "warn", text: "A VM that may run elsewhere was destroyed here" },
  "vm.paused": { level: "warn", text: "A VM was paused" },
  "vm.unpaused": { level: "info", text: "A VM runs again" },
  "alert.raised": { level: "warn", text: "An alert was raised" },
  "alert.cleared": { level: "info", text: "The cause of an alert is gone" },
  "alert.sent": { level: "info", text: "Alerts reach their receivers again" },
  "alert.unsent": { level: "warn", text: "Alerts could not be sent; they wait" },
  "action.done": { level: "info", text: "An action ended" },
  "action.failed": { level: "warn", text: "An action failed" },
  "config.changed": { level: "info", text: "The configuration changed" },
  "config.unkept": { level: "warn", text: "What is in force could not be kept for the next start" },
  "config.refused": { level: "error", text: "A configuration was refused; the old one stays in force" },
  "watchdog.armed": { level: "info", text: "The watchdog is armed" },
  "watchdog.disarmed": { level: "info", text: "The watchdog is disarmed" },
  "control.problem": { level: "warn", text: "A tool sent what cannot be used" },
  "log.lost": { level: "warn", text: "Log lines could not be written" },
} as const satisfies Readonly<Record<string, EventKind>>;

export type EventName = keyof typeof events;

/** Narrows a name from outside (a log line, another version). */
export function isEventName(name: string): name is EventName {
  return Object.hasOwn(events, name);
}
