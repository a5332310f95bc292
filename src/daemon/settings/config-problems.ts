// Tells what is wrong with the configuration in force: each problem at once in the log, and all of them as one alert when
// they last. A daemon that was just started, for an update say, has not read the pool's parameters yet; nobody is to be
// called for that.

import type { Config } from "../../config/config.ts";
import { describeProblem } from "../../config/problem.ts";
import type { Millis } from "../../core/model/time.ts";
import type { Logger } from "../../report/logger.ts";
import type { Alerts } from "../alerts/alerts.ts";

const LASTS_MS: Millis = 10_000;

export function createProblemTeller(
  logger: Pick<Logger, "event">,
  alerts: Pick<Alerts, "raise" | "clear">,
): (config: Pick<Config, "problems">) => void {
  let told: ReadonlySet<string> = new Set();
  let text = "";
  let waiting: NodeJS.Timeout | undefined;
  let isRaised = false;
  return ({ problems: found }) => {
    const problems = found.map(describeProblem);
    for (const one of problems) if (!told.has(one)) logger.event("config.refused", { detail: one });
    told = new Set(problems);
    const [first] = problems;
    if (first === undefined) {
      clearTimeout(waiting);
      waiting = undefined;
      isRaised = false;
      return alerts.clear("config-problems");
    }
    text = `${first}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ""}`;
    if (isRaised) return alerts.raise("config-problems", text);
    waiting ??= setTimeout(() => {
      isRaised = true;
      alerts.raise("config-problems", text);
    }, LASTS_MS).unref();
  };
}
