// What the service manager does with this host.

export interface HostPort {
  /** The host itself goes down: power off, halt or reboot. Anything that cannot be told is "no". */
  goesDown(): Promise<boolean>;
  /** Restarts the toolstack; VMs run on. Resolves with null, or with what failed. */
  restartToolstack(): Promise<string | null>;
}
