// Durations and instants of the core. Instants come from one monotonic clock per host and are never
// compared between hosts; wall-clock time does not exist here (protocol.md F3).

/** A duration in milliseconds. */
export type Millis = number;

/** Milliseconds on this host's monotonic clock. */
export type Instant = number;
