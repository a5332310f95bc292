// `ha-cfg check`, from the first hour on: where no daemon answers, what this host's files say of the reason, in the order in
// which an installation goes. One step is always the next one.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { describeProblem } from "../../config/problem.ts";
import { LOCAL_FILE, readLocalFile } from "../../config/read-local-file.ts";
import type { LocalFile } from "../../config/local-file.ts";
import type { Problem } from "../../config/problem.ts";
import type { Check } from "../../drivers/control/answers.ts";
import { askDaemon, describeClientError, type ControlClientError } from "../../drivers/control/client.ts";
import { INSTALL } from "../../report/packages.ts";
import type { Result } from "../../util/result.ts";
import type { CliContext } from "../context.ts";
import { note, tell, type ExitCode } from "../request.ts";
import { clean } from "../text.ts";

const SILENCE_MS = 180_000;

export async function checkAll(context: CliContext, json: boolean): Promise<ExitCode> {
  const answer = await askDaemon(
    { kind: "check" },
    {
      path: context.socketPath,
      silenceMs: SILENCE_MS,
      onProgress: (text) => note(context, `... ${clean(text)}`, "    "),
    },
  );
  if (answer.ok) return tell(context, answer.value, json);
  return tell(context, { kind: "checks", checks: await firstSteps(answer.error, thisHost(context.env)) }, json);
}

/** What the first steps look at. */
export interface FirstLook {
  /** A program of the host. */
  has(tool: string): boolean;
  hasLocalFile(): boolean;
  local(): Promise<Result<LocalFile, readonly Problem[]>>;
}

const thisHost = (env: CliContext["env"]): FirstLook => ({
  has: (tool) =>
    `${env["PATH"] ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`.split(":").some((dir) => existsSync(join(dir, tool))),
  hasLocalFile: () => existsSync(LOCAL_FILE),
  local: () => readLocalFile(),
});

/** Program of the storage → where it comes from. */
const storageTools = (usesTgtd: boolean): readonly (readonly [tool: string, install: string])[] => [
  ["drbdadm", INSTALL.drbd],
  ...(usesTgtd ? [["tgtadm", INSTALL.tgt] as const] : []),
];

export async function firstSteps(found: ControlClientError, look: FirstLook): Promise<readonly Check[]> {
  const { reason, next } = describeClientError(found);
  const daemon: Check = { id: "daemon", title: "tandemd", outcome: "failed", found: reason, next };
  // There is one: nothing of an installation is missing.
  if (found.kind !== "not-running" && found.kind !== "stale") return [daemon];
  const waits: Check = { ...daemon, outcome: "skipped", found: "does not run yet", next: "" };

  const isSetUp = look.hasLocalFile();
  const local = isSetUp ? await look.local() : null;
  const usesStorage = local === null || !local.ok || local.value.storage !== null;
  const usesTgtd = local?.ok !== true || local.value.storage?.values["TARGET_BACKEND"] !== "lio";
  const tools = storageTools(usesTgtd).map(([tool, install]): Check => {
    const title = `the program ${tool}`;
    if (!usesStorage) return { id: tool, title, outcome: "skipped", found: "no storage of ours", next: "" };
    if (look.has(tool)) return { id: tool, title, outcome: "ok", found: "it is there", next: "" };
    return { id: tool, title, outcome: "failed", found: "it is not installed", next: install };
  });
  if (local === null) {
    const setUp: Check = {
      id: "set-up",
      title: "set-up of this host",
      outcome: "failed",
      found: `there is no ${LOCAL_FILE}`,
      next: "on one of the two hosts: iscsi-cfg setup; on a host that was installed again: iscsi-cfg restore",
    };
    return [...tools, setUp, waits];
  }
  if (!local.ok) {
    const wrong = local.error.map(describeProblem).join("; ");
    const next = "correct it; then: systemctl restart tandemd";
    return [...tools, { id: "set-up", title: LOCAL_FILE, outcome: "failed", found: wrong, next }, waits];
  }
  return [...tools, { id: "set-up", title: LOCAL_FILE, outcome: "ok", found: "it is readable", next: "" }, daemon];
}
