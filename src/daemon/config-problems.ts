// Tells what is wrong with the configuration in force: each problem once in the log, all of them as one alert.

import type { Config } from "../config/config.ts";
import { describeProblem } from "../config/problem.ts";
import type { Logger } from "../report/logger.ts";
import type { Alerts } from "./alerts.ts";

export function createProblemTeller(
  logger: Pick<Logger, "event">,
  alerts: Pick<Alerts, "raise" | "clear">,
): (config: Config) => void {
  let told: ReadonlySet<string> = new Set();
  return (config) => {
    const problems = config.problems.map(describeProblem);
    for (const one of problems) if (!told.has(one)) logger.event("config.refused", { detail: one });
    told = new Set(problems);
    const [first] = problems;
    if (first === undefined) return alerts.clear("config-problems");
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    alerts.raise("config-problems", `${first}${more}`);
  };
}
