// Every rule has a recipe, every recipe takes away what the core has, and the table in ARCHITECTURE.md is theirs. That the
// mutants break is tried by `npm run mutants`.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { RULES } from "../../src/core/rules.ts";
import { nameOf } from "./recipe.ts";
import { RECIPES } from "./recipes.ts";
import { isStale } from "./table.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("every rule that can be switched off has a recipe that does", () => {
  const tried = RECIPES.flatMap(({ rules }) => rules);
  assert.deepEqual(tried.toSorted(), [...RULES].toSorted());
});

test("every rule is asked for somewhere in the core or the witness", () => {
  const text = globSync("src/{core,witness}/**/*.ts", { cwd: root })
    .filter((file) => !file.endsWith("rules.ts"))
    .map((file) => readFileSync(join(root, file), "utf8"))
    .join("\n");
  const unused = RULES.filter((rule) => !text.includes(`"${rule}"`));
  assert.deepEqual(unused, []);
});

test("recipes have names of their own", () => {
  assert.equal(new Set(RECIPES.map(nameOf)).size, RECIPES.length);
});

test("the table of mutants in ARCHITECTURE.md is what the recipes say", async () => {
  assert.equal(await isStale(), false, "run `npm run mutants -- --write`");
});
