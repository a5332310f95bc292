// `get`, `set` and `insert`: names in any case, secrets never shown and better not typed on a command line.

import type { ControlRequest, ParameterValue } from "../drivers/control/port.ts";
import { hiddenQuestion, readInput } from "./ask-person.ts";
import type { CliContext } from "./context.ts";
import { ask, note, run, tell } from "./request.ts";
import type { ExitCode } from "./request.ts";
import { clean } from "./text.ts";

type Scope = Extract<ControlRequest, { kind: "get" }>["scope"];

export interface GetOptions {
  readonly scope: Scope;
  readonly name: string | undefined;
  readonly json?: boolean;
  readonly long?: boolean;
}

export async function showParameters(context: CliContext, options: GetOptions): Promise<ExitCode> {
  const json = options.json === true;
  const all = await fetchParameters(context, options.scope, json);
  if (typeof all === "number") return all;
  const chosen = options.name === undefined ? all : all.filter(({ name }) => sameName(name, options.name ?? ""));
  if (chosen.length === 0 && options.name !== undefined) return unknownName(context, options.name, all);
  if (json) context.out(JSON.stringify(chosen, null, 2));
  else for (const parameter of chosen) context.out(options.long === true ? longLine(parameter) : shortLine(parameter));
  return 0;
}

export async function setParameter(
  context: CliContext,
  typedName: string,
  typedValue: string | undefined,
  json: boolean,
): Promise<ExitCode> {
  const all = await fetchParameters(context, "pool", json);
  if (typeof all === "number") return all;
  const parameter = all.find(({ name }) => sameName(name, typedName));
  if (parameter === undefined) return unknownName(context, typedName, all);
  const { name } = parameter;
  const value = await valueOf(context, name, typedValue);
  if (typeof value === "number") return value;
  if (/\s/.test(value)) {
    note(context, `Cannot set ${name}: found a space in the value, expected none. Nothing was changed.`);
    note(context, "Next: leave the spaces out, or write the value into /etc/tandem/tandem.yaml", "      ");
    return 2;
  }
  return run(context, { kind: "set", name, value }, json);
}

/** The names whose value nobody else may read. */
const isSecret = (name: string): boolean => /PASS(WD|WORD)?$/.test(name);

/** A missing value is asked for, "-" is read from standard input. */
async function valueOf(context: CliContext, name: string, typed: string | undefined): Promise<string | ExitCode> {
  if (typed === "-") return readInput(context);
  if (typed !== undefined) {
    if (isSecret(name) && typed !== "") {
      note(
        context,
        `Note: on a command line ${name} can be read by others (process list, shell history). Better: ha-cfg set ${name}`,
        "      ",
      );
    }
    return typed;
  }
  if (!isSecret(name)) {
    note(context, `Cannot set ${name}: found no value, expected: ha-cfg set ${name} VALUE ("" empties it)`);
    return 2;
  }
  const secret = context.stdin.isTTY ? await hiddenQuestion(context, `${name}: `) : await readInput(context);
  if (secret !== "") return secret;
  // Ctrl-C, Enter alone or an empty pipe are no wish to lose the old one.
  note(context, `Nothing was changed: the value was empty. To empty it: ha-cfg set ${name} ""`);
  return 2;
}

async function fetchParameters(
  context: CliContext,
  scope: Scope,
  json: boolean,
): Promise<readonly ParameterValue[] | ExitCode> {
  const reply = await ask(context, { kind: "get", scope }, json);
  if (reply === null) return 1;
  if (reply.kind === "parameters") return reply.parameters.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const code = tell(context, reply, json);
  return code === 0 ? 1 : code;
}

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

function unknownName(context: CliContext, typed: string, all: readonly ParameterValue[]): ExitCode {
  const near = all.map(({ name }) => name).filter((name) => distance(name.toLowerCase(), typed.toLowerCase()) <= 3);
  note(
    context,
    `Cannot find the parameter "${clean(typed)}": found no such name, expected one that "get" lists. Nothing was changed.`,
  );
  if (near.length > 0) note(context, `Did you mean ${near.slice(0, 4).join(", ")}?`);
  return 2;
}

const shortLine = ({ name, value }: ParameterValue): string => clean(`${name}=${value}`);

function longLine({ name, value, source, default: standard }: ParameterValue): string {
  return clean(`${name}=${value}  (${source === "default" ? "default" : `${source}; default "${standard}"`})`);
}

/** Levenshtein distance; names are short. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (above[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    above = next;
  }
  return above[b.length] ?? 0;
}
