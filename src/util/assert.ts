// Assertions stay on in production: a broken invariant stops the program, it is never stepped over.

export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws InvariantError unless `condition` holds; `rule` is the number of protocol.md where there is one. */
export function invariant(condition: boolean, rule: string, detail: string): asserts condition {
  if (!condition) throw new InvariantError(`${rule}: ${detail}`);
}

/** The end of every exhaustive switch. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected value ${JSON.stringify(value)}`);
}
