// IPMI 2.0 over LAN by ipmitool. No key to pin: in RMCP+ the BMC proves that it knows the password (RAKP), so suites without
// authentication are not offered. ipmitool reads the password from its stdin: neither argv nor an environment may carry it (V13).

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { err, ok, type Result } from "../util/result.ts";
import type { Deadline } from "./deadline.ts";
import type { Device, PowerState, Target } from "./device.ts";
import { portOf, unknownOption } from "./hosts-file.ts";

export const IPMI_OPTIONS = ["user", "port", "cipher"] as const;
/** 3: SHA-1 and AES, all IPMI 2.0 BMCs; 17: SHA-256 and AES. Others leave out a password or encryption. */
const CIPHERS = ["3", "17"];
/** The length of a password in RAKP (IPMI 2.0, 13.20); ipmitool cuts a longer one off. */
const MAX_PASSWORD = 20;
const MAX_OUTPUT = 64_000;

export function openIpmi(target: Target, deadline: Deadline): Result<Device, string> {
  const { options, password, device } = target;
  const odd = unknownOption(options, IPMI_OPTIONS);
  if (odd !== null) return err(odd);
  const user = options.get("user");
  if (user === undefined) return err("the line has no user=");
  if (password === "") return err("FENCE_PASSWD is not set");
  if (Buffer.byteLength(password) > MAX_PASSWORD)
    return err(`FENCE_PASSWD is longer than the ${MAX_PASSWORD} bytes that IPMI 2.0 allows`);
  const port = portOf(options, 623);
  if (!port.ok) return port;
  const cipher = options.get("cipher");
  if (cipher !== undefined && !CIPHERS.includes(cipher))
    return err(`found cipher=${cipher}, expected ${CIPHERS.join(" or ")}`);
  const at = ["-I", "lanplus", "-H", device, "-p", String(port.value), "-U", user, "-L", "OPERATOR"];
  const how = ["-f", "/dev/stdin", "-N", "1", "-R", "3", ...(cipher === undefined ? [] : ["-C", cipher])];
  const args = [...at, ...how, "chassis", "power"];
  const run = (word: string): Promise<Result<string, string>> => ipmitool([...args, word], password, deadline);
  const order = async (word: string): Promise<Result<null, string>> => {
    const done = await run(word);
    return done.ok ? ok(null) : done;
  };
  return ok({
    async state() {
      const said = await run("status");
      return said.ok ? readIpmiPower(said.value) : said;
    },
    off: () => order("off"),
    on: () => order("on"),
    // Every call asks for a session with the privilege Operator, which is what switching needs.
    mayOff: () => Promise.resolve(ok(null)),
    close: () => Promise.resolve(),
  });
}

/**
 * A file in memory without a name, gone with its last descriptor. Node's pipes are sockets, and a socket cannot be opened
 * again as /dev/stdin.
 */
function namelessFile(text: string): number {
  const path = `/dev/shm/tandem-${randomUUID()}`;
  const file = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  writeSync(file, text);
  return file;
}

/** In this agent's own process group, so that whoever kills the agent kills it too. */
function ipmitool(args: readonly string[], password: string, deadline: Deadline): Promise<Result<string, string>> {
  return new Promise((resolve) => {
    if (deadline.left() === 0) return resolve(err("no time left to start ipmitool"));
    const stdin = namelessFile(`${password}\n`);
    const child = spawn("ipmitool", args, {
      stdio: [stdin, "pipe", "pipe"],
      signal: deadline.signal,
      killSignal: "SIGKILL",
    });
    closeSync(stdin);
    let [stdout, stderr] = ["", ""];
    child.stdout?.on("data", (chunk: Buffer) => (stdout = (stdout + chunk.toString("utf8")).slice(0, MAX_OUTPUT)));
    child.stderr?.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString("utf8")).slice(-MAX_OUTPUT)));
    child.on("error", (error: NodeJS.ErrnoException) =>
      resolve(
        err(
          error.code === "ENOENT"
            ? "ipmitool is not installed: yum install ipmitool"
            : error.name === "AbortError"
              ? "no end of ipmitool in time: the BMC does not answer"
              : `ipmitool did not start: ${error.message}`,
        ),
      ),
    );
    child.on("close", (code, signal) => {
      const last = stderr.trim().split("\n").at(-1) ?? "";
      resolve(code === 0 ? ok(stdout) : err(`ipmitool ended with ${signal ?? String(code)}: ${last}`));
    });
  });
}

export function readIpmiPower(text: string): Result<PowerState, string> {
  const word = /^Chassis Power is (on|off)$/.exec(text.trim())?.[1];
  if (word === "on" || word === "off") return ok(word);
  return err(`ipmitool said "${text.trim().slice(0, 60)}", expected Chassis Power is on or off`);
}
