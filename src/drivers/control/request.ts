// Turns one line of the control socket into a ControlRequest. Refuses everything else with a sentence; never guesses.

import * as z from "zod/mini";
import "../zod-words.ts";
import { err, ok } from "../../util/result.ts";
import type { Result } from "../../util/result.ts";
import type { ControlRequest } from "./port.ts";

const name = z.string().check(z.minLength(1), z.maxLength(256));
const value = z.string().check(z.maxLength(16_384));
const values = z.record(name, value);

const requestSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("status") }),
  z.strictObject({ kind: z.literal("watch") }),
  z.strictObject({ kind: z.literal("enable"), force: z.boolean() }),
  z.strictObject({ kind: z.literal("disable"), force: z.boolean() }),
  z.strictObject({ kind: z.literal("manual"), on: z.boolean(), force: z.boolean() }),
  z.strictObject({ kind: z.literal("maintenance"), on: z.boolean(), returnVms: z.boolean() }),
  z.strictObject({ kind: z.literal("become-primary"), force: z.boolean(), peerName: z.nullable(name) }),
  z.strictObject({ kind: z.literal("become-secondary") }),
  z.strictObject({ kind: z.literal("switch"), storageOnly: z.boolean() }),
  z.strictObject({ kind: z.literal("confirm-peer-off"), peerName: name }),
  z.strictObject({ kind: z.literal("resolve-split-brain"), victim: name, snapshot: z.boolean() }),
  z.strictObject({ kind: z.literal("forget-host"), host: name }),
  z.strictObject({ kind: z.literal("get"), scope: z.enum(["pool", "storage"]) }),
  z.strictObject({ kind: z.literal("set"), name, value }),
  z.strictObject({ kind: z.literal("insert"), overwrite: z.boolean() }),
  z.strictObject({ kind: z.literal("remove") }),
  z.strictObject({ kind: z.literal("restore-default") }),
  z.strictObject({ kind: z.literal("backup") }),
  z.strictObject({ kind: z.literal("restore"), parameters: values, vms: z.record(name, z.boolean()) }),
  z.strictObject({ kind: z.literal("import"), file: values, write: z.boolean() }),
  z.strictObject({ kind: z.literal("vms") }),
  z.strictObject({ kind: z.literal("set-vm-ha"), vm: name, on: z.boolean() }),
  z.strictObject({ kind: z.literal("check") }),
  z.strictObject({ kind: z.literal("email") }),
  z.strictObject({ kind: z.literal("raise-alert"), text: z.string().check(z.minLength(1), z.maxLength(2_000)) }),
  z.strictObject({ kind: z.literal("clear-alerts") }),
  z.strictObject({ kind: z.literal("replug") }),
  z.strictObject({ kind: z.literal("explain") }),
  z.strictObject({ kind: z.literal("metrics") }),
  z.strictObject({ kind: z.literal("history"), limit: z.int().check(z.gte(1), z.lte(1000)) }),
]);

/** The error is a whole sentence for the reply. A request that carries a parameter value is never quoted: it may be a secret. */
export function parseRequest(line: string): Result<ControlRequest, string> {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch {
    return err(`Cannot read the request: found ${sample(line)}, expected one JSON object in one line`);
  }
  const parsed = requestSchema.safeParse(raw);
  if (parsed.success) return ok(parsed.data satisfies ControlRequest);
  const issues = parsed.error.issues.map((issue) => `${issue.path.join(".") || "request"}: ${issue.message}`);
  return err(`Cannot understand the request: ${issues.join("; ")}`);
}

function sample(line: string): string {
  if (line.trim() === "") return "an empty line";
  return `${line.length} characters that are not JSON`;
}
