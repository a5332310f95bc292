// The manual pages: prose from rpm/man, and what must not drift (commands, parameters, the example) from the program itself.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Parameter } from "../src/config/parameter.ts";
import { parametersOf } from "../src/config/parameters.ts";
import { distDir, root } from "../test/build.ts";
import { literal, roffOf } from "./roff.ts";

export interface ManualPage {
  readonly name: string;
  readonly section: string;
  readonly text: string;
}

/** What the tool prints when it is called so; the bundles must be built. */
export const helpOf = (tool: string, args: readonly string[]): string =>
  execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(distDir, `${tool}.mjs`), ...args], {
    encoding: "utf8",
    env: { ...process.env, COLUMNS: "80", NO_COLOR: "1" },
  }).trimEnd();

/** The names of the commands in a tool's help: whatever group they stand in, two spaces before a word that is no option. */
export function commandNames(help: string): readonly string[] {
  const names = help.split("\n").flatMap((line) => /^ {2}([a-z][a-z-]*)( |$)/.exec(line)?.[1] ?? []);
  return names.filter((name) => name !== "help");
}

function commandsOf(tool: string): string {
  const names = commandNames(helpOf(tool, ["--help"]));
  return names.map((name) => `.SS ${name}\n.nf\n${literal(helpOf(tool, ["help", name]))}\n.fi`).join("\n");
}

function parameterEntry(one: Parameter): string {
  const mark = one.scope === "pool" && one.perHost ? " *" : "";
  const initial =
    one.initial === null ? "must be given" : one.initial === "" ? "empty by default" : `default ${one.initial}`;
  const note = one.deprecated === null ? "" : ` Without effect: ${one.deprecated}.`;
  return `.TP\n.B ${literal(one.name)}${mark}\n${literal(`${one.summary} (${initial}).${note}`)}`;
}

const parameters = (scope: "pool" | "storage"): string => parametersOf(scope).map(parameterEntry).join("\n");

/** The pages of the guide, the first one without its list of the others. */
function guide(): string {
  const folder = join(root, "rpm/guide");
  const pages = readdirSync(folder)
    .filter((name) => name !== "README.md")
    .toSorted();
  return pages.map((name) => roffOf(readFileSync(join(folder, name), "utf8"))).join("\n");
}

/** All pages of rpm/man, filled. `date` is what stands in their header, for the same bytes from the same input. */
export function manualPages(version: string, date: string): readonly ManualPage[] {
  const folder = join(root, "rpm/man");
  return readdirSync(folder).map((file) => {
    const [, name = "", section = ""] = /^(.+)\.([0-9])$/.exec(file) ?? [];
    const fill: Readonly<Record<string, () => string>> = {
      "@VERSION@": () => version,
      "@DATE@": () => date,
      "@COMMANDS@": () => commandsOf(name),
      "@STORAGE@": () => parameters("storage"),
      "@POOL@": () => parameters("pool"),
      "@GUIDE@": guide,
      "@EXAMPLE@": () => literal(readFileSync(join(root, "conf/tandem.yaml"), "utf8").trimEnd()),
    };
    const text = readFileSync(join(folder, file), "utf8").replaceAll(/@[A-Z]+@/g, (mark) => fill[mark]?.() ?? mark);
    return { name, section, text };
  });
}
