// A password that cannot be printed by accident. It must never be turned into text except by `reveal`.

import { inspect } from "node:util";

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for the one call that needs it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "[set]";
  }

  toJSON(): string {
    return "[set]";
  }

  [inspect.custom](): string {
    return "[set]";
  }
}
