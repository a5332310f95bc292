// The failover policies of a lab run as pool parameters.

import { GATEWAY, WITNESS, WITNESS_PORT } from "./names.ts";

export const POLICIES = ["vote", "strict", "witness", "strict+vote"] as const;
export type PolicyName = (typeof POLICIES)[number];

export function policyParameters(policy: PolicyName): Readonly<Record<string, string>> {
  const common = {
    FENCE_ENABLED: "1",
    FENCE_MIN_HOSTS: "2",
    FENCE_HEURISTICS_IPS: GATEWAY,
    FENCE_USE_IP_HEURISTICS: "1",
  };
  switch (policy) {
    case "vote":
      return { ...common, FENCE_METHOD: "POOL" };
    // I-h: a lab node needs longer to start the agent than a dom0, and `enable` judges T_FDELAY with the measured time.
    case "strict":
      return { ...common, T_FDELAY: "3", FENCE_METHOD: "LABBMC", FENCE_HA_ONFAIL: "0" };
    case "strict+vote":
      return { ...common, T_FDELAY: "3", FENCE_METHOD: "LABBMC", FENCE_HA_ONFAIL: "1" };
    case "witness":
      return { ...common, FENCE_METHOD: "POOL", WITNESS: `${WITNESS}:${WITNESS_PORT}` };
  }
}
