// The numbered rules of protocol.md as switches. Production never removes one; the mutation gate removes one at a
// time and demands that a test, the simulator or the explorer goes red.

import type { CoreConfig } from "./model/config.ts";

/** All that a switch needs; the witness has no other configuration of the core. */
export type RuleSwitches = Pick<CoreConfig, "removedRules">;

/** Every D rule, and every amendment that acts here and not only in configuration, drivers or text. */
export const RULES = [
  ...(["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11", "D12", "D13", "D14", "D15", "D16"] as const),
  ...(["D17", "D18", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A13", "A15", "A16", "A17"] as const),
  ...(["A18", "A19", "A22", "A23", "A27"] as const),
] as const;

export type RuleId = (typeof RULES)[number];

/** The condition a rule demands; true without looking when the rule is removed (mutation runs only). */
export function demands(config: RuleSwitches, rule: RuleId, condition: boolean): boolean {
  return condition || (config.removedRules.length > 0 && config.removedRules.includes(rule));
}

/** True while the rule is in force; for rules that add behaviour instead of demanding a condition. */
export function inForce(config: RuleSwitches, rule: RuleId): boolean {
  return config.removedRules.length === 0 || !config.removedRules.includes(rule);
}
