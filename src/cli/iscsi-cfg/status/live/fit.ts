// Which rows a screen of a certain height keeps. Pure.

/** Takes away by priority (the highest `drop` first, of equals the last) until `limit` are left; the order stays. */
export function keepFitting<T extends { readonly drop: number }>(rows: readonly T[], limit: number): T[] {
  const kept = [...rows];
  while (kept.length > Math.max(0, limit)) {
    const worst = Math.max(...kept.map((each) => each.drop));
    kept.splice(worst === 0 ? kept.length - 1 : kept.findLastIndex((each) => each.drop === worst), 1);
  }
  return kept;
}
