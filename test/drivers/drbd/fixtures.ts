// The captured output of DRBD's tools, cut into what each command printed on each node. Shared by the parser tests.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../fixtures");

export interface Capture {
  /** "03-connected-primary-secondary @ n1" */
  readonly name: string;
  /** Output by command line, without the exit code. */
  readonly outputs: ReadonlyMap<string, string>;
}

/** The fifteen states of DRBD 8.4.11, on both nodes. */
export function captures84(): readonly Capture[] {
  const directory = join(root, "drbd-8.4.11");
  const files = readdirSync(directory).filter((file) => /^(0|1)\d-/.test(file));
  return files.sort().flatMap((file) => {
    const sections = readFileSync(join(directory, file), "utf8").split(/^## /m).slice(1);
    return sections.map((section) => {
      const [name = "", ...rest] = section.split("\n");
      const outputs = new Map<string, string>();
      for (const part of rest.join("\n").split(/^\$ /m).slice(1)) {
        const [command = "", ...lines] = part.split("\n");
        outputs.set(command, lines.join("\n").replace(/\[rc=\d+\]\n?$/, ""));
      }
      return { name, outputs };
    });
  });
}

export function output(capture: Capture, command: string): string {
  const found = capture.outputs.get(command);
  if (found === undefined) throw new Error(`Cannot read the capture ${capture.name}: it has no "${command}"`);
  return found;
}

export const fixture = (...path: readonly string[]): string => readFileSync(join(root, ...path), "utf8");
