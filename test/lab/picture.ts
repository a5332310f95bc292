// A run drawn as a page: what each node was in, what it decided, and how long the VMs' writes stood still.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawHtml } from "../../src/cli/timeline/draw.ts";
import { storyOf } from "../../src/cli/timeline/story.ts";
import { root } from "../build.ts";
import type { ScenarioResult } from "./results.ts";

/** Returns the path of the page. The last run of a scenario under a policy replaces the one before. */
export function savePicture(result: ScenarioResult): string {
  const folder = join(root, ".build/timelines");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${result.scenario}-${result.policy}.html`);
  const stall = result.stallMs.max === null ? "" : `longest stall ${result.stallMs.max} ms; `;
  const titles = {
    title: `${result.scenario} (${result.policy}): ${result.passed ? "passed" : "failed"}`,
    subtitle: `${stall}${result.why ?? "nothing lost, nothing doubled"}`,
  };
  writeFileSync(path, drawHtml(storyOf(result.timeline), titles));
  return path;
}
