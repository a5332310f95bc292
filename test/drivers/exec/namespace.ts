// Runs the calling test file again inside a network namespace of its own, where it may change addresses and rules.
// The namespace ends with the process; nothing of the machine is touched.

import { spawnSync } from "node:child_process";

const marker = "TANDEM_TEST_NAMESPACE";

/** True inside. */
export const isInNamespace = (): boolean => process.env[marker] === "1";

/**
 * The outcome of the test file `file` inside its namespace: null when all passed, else its report. `setup` is a list of
 * commands for `sh`, run before the tests.
 */
export function runInNamespace(
  file: string,
  setup: readonly string[],
  env: Readonly<Record<string, string>>,
): string | null {
  const script = ["set -e", "ip link set lo up", ...setup, 'exec "$0" --test-reporter=spec "$1"'].join("\n");
  const done = spawnSync("unshare", ["--net", "--mount", "sh", "-c", script, process.execPath, file], {
    encoding: "utf8",
    timeout: 60_000,
    // Without this the inner file would report to the outer test runner in its own protocol.
    env: { PATH: process.env["PATH"] ?? "", ...env, [marker]: "1" },
  });
  if (process.env["TANDEM_TEST_VERBOSE"] !== undefined) console.log(done.stdout);
  return done.status === 0 ? null : `${done.stdout}\n${done.stderr}`;
}
