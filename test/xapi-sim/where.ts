/** The filter language of get_all_records_where: field "x" = "y", and, or, not, true, false, parentheses. */
import { fail, type Json, type Rec } from "./types.ts";

export type Matcher = (record: Rec) => boolean;

const asWord = (value: Json | undefined): string => {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
};

/** Throws INTERNAL_ERROR for text that is no expression. */
export const parseWhere = (text: string): Matcher => {
  const words = text.match(/"(?:[^"\\]|\\.)*"|[()=]|\w+/g) ?? [];
  let at = 0;
  const take = (): string => words[at++] ?? fail("INTERNAL_ERROR", `Failure("Cannot parse '${text}': found its end")`);
  const expect = (word: string): void => {
    const found = take();
    if (found !== word) fail("INTERNAL_ERROR", `Failure("Cannot parse '${text}': found ${found}, expected ${word}")`);
  };
  const operand = (): ((record: Rec) => string) => {
    const word = take();
    if (word === "field") {
      const name = take().slice(1, -1);
      return (record) => asWord(record[name.replaceAll("__", "_")] ?? record[name]);
    }
    const literal = word.startsWith('"') ? word.slice(1, -1) : word;
    return () => literal;
  };
  const term = (): Matcher => {
    const word = words[at];
    if (word === "not") {
      at += 1;
      const inner = term();
      return (record) => !inner(record);
    }
    if (word === "(") {
      at += 1;
      const inner = either();
      expect(")");
      return inner;
    }
    if ((word === "true" || word === "false") && words[at + 1] !== "=") {
      at += 1;
      return () => word === "true";
    }
    const left = operand();
    expect("=");
    const right = operand();
    return (record) => left(record) === right(record);
  };
  const both = (): Matcher => {
    const left = term();
    if (words[at] !== "and") return left;
    at += 1;
    const right = both();
    return (record) => left(record) && right(record);
  };
  const either = (): Matcher => {
    const left = both();
    if (words[at] !== "or") return left;
    at += 1;
    const right = either();
    return (record) => left(record) || right(record);
  };
  const matcher = either();
  if (at !== words.length)
    fail("INTERNAL_ERROR", `Failure("Cannot parse '${text}': found ${words[at] ?? ""} left over")`);
  return matcher;
};
