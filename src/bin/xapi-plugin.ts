#!/usr/bin/env node
// The XAPI plugin "tandem": xapi starts it on the host that is asked, with the call as its one argument, and reads the answer
// from its output. Must hold no logic, and print nothing but the answer.

import { answerCall } from "../setup/host.ts";
import { hostParts } from "../setup/parts.ts";
import { parsePluginCall, pluginFailure, pluginSuccess } from "../setup/pool/plugin.ts";

const call = parsePluginCall(process.argv[2] ?? "");
const quiet = (): void => undefined;
const answer =
  call === null
    ? { ok: false as const, error: "unknown function: is the same version of tandem installed on both hosts?" }
    : await answerCall(hostParts(quiet), call);
process.stdout.write(`${answer.ok ? pluginSuccess(JSON.stringify(answer.value)) : pluginFailure(answer.error)}\n`);
