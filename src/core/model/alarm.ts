// The names of what a person is told of.

/** Conditions that a person is told of; each ends (decide/alarms.ts). */
export type AlarmId =
  | "auto-release"
  | "drbd-apart"
  | "fencing"
  | "flapping"
  | "io-suspended"
  | "owner-lost"
  | "self-fence"
  | "split-brain"
  | "vip-conflict"
  | "witness-held";
