// One call of a fence agent inside the test's own process.

import { answer, type Answer, type Call } from "../../src/fence-agents/agent.ts";

export const HOST = "22222222-2222-4222-8222-222222222222";
export const OTHER = "33333333-3333-4333-8333-333333333333";

/** `line` is what stands after the UUID in the hosts file. */
export const ask = (line: string, change: Partial<Call> & { readonly method: string }): Promise<Answer> =>
  answer({
    hostId: HOST,
    action: "status",
    address: "",
    password: "",
    hosts: `# BMCs\n\n${OTHER}:192.0.2.9,user=x\n${HOST}:${line}\n`,
    timeoutMs: 5_000,
    ...change,
  });
