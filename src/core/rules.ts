// The numbered rules of protocol.md as switches. Production never removes one; the mutation gate removes one at a
// time and demands that a test, the simulator or the explorer goes red.

import type { CoreConfig } from "./model/config.ts";

export type RuleId =
  | `D${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18}`
  | `A${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 13 | 15 | 16 | 17 | 18 | 19 | 22 | 23 | 27 | 28}`;

/** The condition a rule demands; true without looking when the rule is removed (mutation runs only). */
export function demands(config: CoreConfig, rule: RuleId, condition: boolean): boolean {
  return condition || (config.removedRules.length > 0 && config.removedRules.includes(rule));
}

/** True while the rule is in force; for rules that add behaviour instead of demanding a condition. */
export function inForce(config: CoreConfig, rule: RuleId): boolean {
  return config.removedRules.length === 0 || !config.removedRules.includes(rule);
}
