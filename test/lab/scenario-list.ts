// The scenarios that exist: folders with a script.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../build.ts";
import type { PolicyName } from "./policies.ts";
import type { Expectation } from "./run-scenario.ts";

export const scenarioDir = join(root, "test/scenarios");

export const scenarioNames = (): readonly string[] =>
  readdirSync(scenarioDir)
    .filter((name) => existsSync(join(scenarioDir, name, "script.ts")))
    .toSorted();

const expectationOf = (name: string): Expectation =>
  JSON.parse(readFileSync(join(scenarioDir, name, "expect.json"), "utf8")) as Expectation;

/** What a run of everything takes: VOTE, unless expect.json names the policy that the scenario is about. */
export const policyOf = (name: string): PolicyName => expectationOf(name).policy ?? "vote";

/** Undefined: the scenario runs with and without an installed package. */
export const packageOf = (name: string): Expectation["rpm"] => expectationOf(name).rpm;

export const asksPrometheus = (name: string): boolean => expectationOf(name).prometheus === true;
