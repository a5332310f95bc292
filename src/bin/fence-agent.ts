// The fence agents' program: `fence-agent METHOD UUID ACTION`, called by agents/<METHOD>/<METHOD>.sh. The password comes by
// stdin and nowhere else.

import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { answer } from "../fence-agents/agent.ts";

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_STDIN = 64_000;

/** Lines of key=value; a terminal has nothing to say. */
function readFacts(): ReadonlyMap<string, string> {
  const text = process.stdin.isTTY ? "" : readFileSync(0, "utf8").slice(0, MAX_STDIN);
  return new Map(
    text
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

function readHosts(path: string): string | null {
  try {
    return path === "" ? null : readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

const [method = "", hostId = "", action = ""] = process.argv.slice(2);
const facts = readFacts();
const timeoutMs = Number(facts.get("timeout_ms") ?? DEFAULT_TIMEOUT_MS);
// The daemon counts from before this program ran, and a busy host takes its time to load it.
const budgetMs = Math.max(1, (timeoutMs > 0 ? timeoutMs : DEFAULT_TIMEOUT_MS) - performance.now());
// Whatever hangs, this process ends, and its end says "cannot tell".
setTimeout(() => {
  process.stderr.write("the device gave no answer in time\n");
  process.exit(1);
}, budgetMs).unref();
const { code, stdout, stderr } = await answer({
  method,
  hostId: hostId.toLowerCase(),
  action,
  address: facts.get("address") ?? process.env["FENCE_IPADDRESS"] ?? "",
  password: facts.get("password") ?? "",
  hosts: readHosts(facts.get("hosts_file") ?? process.env["FENCE_HOSTS_FILE"] ?? ""),
  timeoutMs: budgetMs,
});
if (stdout !== "") process.stdout.write(`${stdout}\n`);
if (stderr !== "") process.stderr.write(`${stderr.replaceAll(/[\p{Cc}\s]+/gu, " ")}\n`);
// An open socket of a device that does not let go must not keep the answer back.
process.exit(code);
