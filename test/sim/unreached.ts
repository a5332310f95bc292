// Branches of the rules that no sound schedule can take, each with its reason. The coverage leaves them out of what is
// missing; one that is taken all the same, or whose line is not there any more, is told and ends the run as a failure.

import type { FileCoverage } from "./coverage.ts";

export interface Unreached {
  readonly file: string;
  /** The line on which the branch begins, as it is written. */
  readonly text: string;
  readonly why: string;
}

const MUTANT = "the other half runs when the rule is taken out: in the mutants alone";
const OWNERS = "two owners of one epoch break V6: no sound schedule has them";
const KINDS = "every kind, and every phase that waits for nothing, has a case before";
const SAID = "a refusal has a reason";
const SEEN = "a simulated daemon looks at the domains and the floating IP before anything else happens";

export const UNREACHED: readonly Unreached[] = [
  { file: "decide/handover.ts", text: 'if (!inForce(config, "A9")) {', why: MUTANT },
  { file: "decide/recovery.ts", text: 'if (!inForce(state.config, "D16")) return true;', why: MUTANT },
  {
    file: "decide/ownership.ts",
    text: 'inForce(state.config, "A18") ? apart(state, body)[0] : undefined;',
    why: MUTANT,
  },
  {
    file: "decide/ownership.ts",
    text: 'const order = inForce(state.config, "A18") ? newer(mine.generation, theirs.generation) : 0;',
    why: MUTANT,
  },
  { file: "decide/ownership.ts", text: "if (over) change(turn, { blocked: null });", why: OWNERS },
  {
    file: "decide/resolve.ts",
    text: '? "the other host gives its ownership up, by an operator\'s choice"',
    why: OWNERS,
  },
  {
    file: "decide/resolve.ts",
    text: '? "this host alone owns the storage, the copies were connected already"',
    why: OWNERS,
  },
  { file: "decide/resolve.ts", text: "if (resources.length === 0) return [];", why: OWNERS },
  { file: "decide/episode.ts", text: "const domains = valueOf(state.domains) ?? [];", why: SEEN },
  {
    file: "decide/takeover.ts",
    text: 'if (valueOf(state.vip) !== "absent" && valueOf(state.vip) !== "present")',
    why: SEEN,
  },
  {
    file: "decide/activity.ts",
    text: "const items = stages(turn.state, activity)[activity.stage] ?? [];",
    why: "a sequence has a stage for every number that it gets to",
  },
  {
    file: "decide/commands.ts",
    text: 'if (config.resources.length === 0) reasons.push("DRBD_RESOURCES is empty");',
    why: "a simulated pair has a resource at least",
  },
  { file: "decide/commands.ts", text: "default:", why: KINDS },
  { file: "decide/requests.ts", text: "default:", why: KINDS },
  {
    file: "decide/commands.ts",
    text: 'return end(turn, command, "refused", `the other host did not agree: ${command.said ?? ""}`, "mend this there");',
    why: SAID,
  },
  {
    file: "decide/resolve.ts",
    text: 'return end(turn, command, "refused", `the other host did not give its copy up: ${command.said ?? ""}`, seeStatus);',
    why: SAID,
  },
  {
    file: "decide/requests.ts",
    text: 'for (const { requestId: old } of owed.slice(0, -most)) refuse(turn, old, "asked again since, and not answered yet");',
    why: "a tool that hangs is given up after five seconds, and the same question comes once a second",
  },
  {
    file: "decide/requests.ts",
    text: 'return there.length === 0 ? null : `still here: ${there.join(", ")}`;',
    why: "a simulated domain is gone when the order to destroy it has ended well",
  },
  {
    file: "decide/requests.ts",
    text: "if (state.activity?.token === token) return done(turn, id);",
    why: "a daemon runs a request once, and every offer has a token of its own",
  },
  {
    file: "decide/handover.ts",
    text: 'log(turn, "storage.released", `the other host owns the storage in epoch ${peer.body?.epoch ?? durable.epoch}`);',
    why: "who hands the storage over has heard the other host",
  },
  {
    file: "decide/isolated.ts",
    text: "return protectedOf(state, [...new Set([...before, ...(peer.body?.domains ?? [])])]);",
    why: "asked in contact only: there is a heartbeat",
  },
];

/** What of the list is not true of this run. */
export function untrue(files: readonly FileCoverage[], list: readonly Unreached[] = UNREACHED): readonly string[] {
  return list.flatMap(({ file, text }) => {
    const found = files.find((one) => one.file === file);
    if (found?.lines.includes(text) !== true)
      return [`${file} has no line "${text}" (any more): correct test/sim/unreached.ts`];
    const taken = !found.missing.some((line) => found.lines[line - 1] === text);
    return taken ? [`${file}: "${text}" is taken after all: take it out of test/sim/unreached.ts`] : [];
  });
}

/** The missing lines that have no reason. */
export const unexplained = ({ file, missing, lines }: FileCoverage): readonly number[] =>
  missing.filter((line) => !UNREACHED.some((one) => one.file === file && one.text === lines[line - 1]));
