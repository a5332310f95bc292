// The scenarios that exist: folders with a script.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../build.ts";

export const scenarioDir = join(root, "test/scenarios");

export const scenarioNames = (): readonly string[] =>
  readdirSync(scenarioDir)
    .filter((name) => existsSync(join(scenarioDir, name, "script.ts")))
    .toSorted();
