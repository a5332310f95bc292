/** Host plugins: programs that get an XML-RPC call as their one argument and print the answer, as xapi runs them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../lab/run-command.ts";
import { asTexts, fail, type Json, type Rec } from "./types.ts";
import { parseXmlResponse, xmlCall } from "./xml.ts";

export const PLUGIN_MS = 900_000;

/** `folder`: /etc/xapi.d/plugins of the host. */
export const runPlugin = async (
  folder: string,
  plugin: string,
  fn: string,
  session: string,
  args: Rec,
): Promise<Json> => {
  const path = join(folder, plugin);
  if (!/^[\w.-]+$/.test(plugin) || !existsSync(path)) fail("XENAPI_MISSING_PLUGIN", plugin);
  const { code, stdout, stderr } = await runCommand(path, [xmlCall(fn, [session, args])], { timeoutMs: PLUGIN_MS });
  if (code !== 0) fail("XENAPI_PLUGIN_FAILURE", "non-zero exit", stdout, stderr);
  const answer = parseXmlResponse(stdout);
  if ("value" in answer) return answer.value;
  const [code0 = "XENAPI_PLUGIN_FAILURE", ...params] = asTexts(answer.failure);
  return fail(code0, ...params);
};
