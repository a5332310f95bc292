// Does this host's management network work? It does while the peer is in contact there or a heuristic address answers.
// Pure. Nobody answering yet proves nothing: right after the start the answer is "not known".

export interface ManagementSigns {
  /** Contact in both directions on the management link. */
  readonly linkUp: boolean;
  /** Was there ever contact on it in this life of the daemon? */
  readonly linkKnown: boolean;
  /** Per heuristic address; null: not asked for long enough. */
  readonly answering: readonly (boolean | null)[];
}

/** Null: not known. */
export function managementUp(signs: ManagementSigns): boolean | null {
  if (signs.linkUp || signs.answering.includes(true)) return true;
  if (signs.answering.includes(null)) return null;
  // Only silence of what was there or of what must be there is a loss.
  return signs.linkKnown || signs.answering.length > 0 ? false : null;
}
