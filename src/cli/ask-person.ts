// Questions to the person at the terminal. Never asks where nobody sits.

import { createInterface } from "node:readline/promises";
import type { CliContext } from "./context.ts";

/** One line, trimmed; empty when the person presses Enter or Ctrl-D. */
export async function question(context: CliContext, text: string): Promise<string> {
  const reader = createInterface({ input: context.stdin, output: context.stdout });
  const ended = new Promise<string>((resolve) => reader.once("close", () => resolve("")));
  try {
    return (await Promise.race([reader.question(text), ended])).trim();
  } finally {
    reader.close();
  }
}

/** Without showing what is typed. */
export async function hiddenQuestion(context: CliContext, text: string): Promise<string> {
  context.stdout.write(text);
  const reader = createInterface({ input: context.stdin, terminal: true });
  const ended = new Promise<string>((resolve) => reader.once("close", () => resolve("")));
  try {
    return await Promise.race([reader.question(""), ended]);
  } finally {
    reader.close();
    context.stdout.write("\n");
  }
}

/** The whole standard input, without its last line break: for secrets from a script. */
export async function readInput(context: CliContext): Promise<string> {
  let text = "";
  for await (const chunk of context.stdin) text += String(chunk);
  return text.replace(/\r?\n$/, "");
}
