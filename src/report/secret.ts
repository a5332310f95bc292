// A text that no log, error, template or JSON can show. Only `reveal` gives it away; call that where it is handed to its reader.

const shown = "[set]";

/** Prints as "[set]", or as nothing when it is empty. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  isSet(): boolean {
    return this.#text !== "";
  }

  /** A copy made field by field (pino's redaction makes one) has no text; it prints like a set one. */
  toString(): string {
    return #text in this && this.#text === "" ? "" : shown;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.toPrimitive](): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}
