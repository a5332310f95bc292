// The table of ARCHITECTURE.md: which counterexample shows what each rule protects from. Made from the recipes alone, so
// that it can be compared without trying them; `npm run mutants` tries them.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { nameOf, type Recipe } from "./recipe.ts";
import { RECIPES } from "./recipes.ts";

const FILE = fileURLToPath(new URL("../../ARCHITECTURE.md", import.meta.url));
const [BEGIN, END] = ["<!-- mutants: made by `npm run mutants -- --write` -->", "<!-- end of mutants -->"];

const policyOf = (recipe: Recipe): string => (recipe.engine === "sim" ? recipe.plan.policy : recipe.policy);

function ground(recipe: Recipe): string {
  return `${recipe.engine === "sim" ? "simulator" : "explorer"}, ${policyOf(recipe)}`;
}

const rows = (): string =>
  [
    "| without | breaks | found by | what happens |",
    "| --- | --- | --- | --- |",
    ...RECIPES.map((recipe) => `| ${nameOf(recipe)} | ${recipe.breaks} | ${ground(recipe)} | ${recipe.story} |`),
  ].join("\n");

/** The file as it should be, and as it is. */
async function texts(): Promise<{ readonly wanted: string; readonly found: string }> {
  const found = readFileSync(FILE, "utf8");
  const [from, to] = [found.indexOf(BEGIN), found.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`Cannot place the table of mutants: found no "${BEGIN}" in ${FILE}`);
  const raw = `${found.slice(0, from)}${BEGIN}\n\n${rows()}\n\n${found.slice(to)}`;
  return { wanted: await format(raw, { ...(await resolveConfig(FILE)), filepath: FILE }), found };
}

export async function isStale(): Promise<boolean> {
  const { wanted, found } = await texts();
  return wanted !== found;
}

export async function writeTable(): Promise<void> {
  writeFileSync(FILE, (await texts()).wanted);
}
