// One command over ssh at a device whose host key is pinned. Through the library ssh2 and not the program ssh: that one takes
// a password only from a terminal or a helper script, and old iLOs need algorithms that an up-to-date one has dropped.

import { readFileSync } from "node:fs";
import { Client, type ConnectConfig } from "ssh2";
import { err, ok, type Result } from "../util/result.ts";
import type { Deadline } from "./deadline.ts";
import type { Options } from "./device.ts";
import { portOf } from "./hosts-file.ts";
import { fingerprint, parsePins, pinRefusal } from "./pin.ts";

export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly pins: readonly string[];
  readonly password: string;
  /** PEM; null: log in with the password. */
  readonly privateKey: string | null;
  /** For iLO 2 and 3: SHA-1 key exchange, CBC ciphers. The pin is what holds then. */
  readonly legacy: boolean;
}

export interface SshAnswer {
  readonly stdout: string;
  readonly stderr: string;
  /** Null: the device sent none, as iLOs do. */
  readonly code: number | null;
}

export const SSH_OPTIONS = ["user", "pin", "port", "key", "legacy"] as const;
const MAX_OUTPUT = 64_000;

/** The ssh part of a line of the hosts file. */
export function sshTarget(
  host: string,
  options: Options,
  password: string,
  standardUser: string,
): Result<SshTarget, string> {
  const port = portOf(options, 22);
  if (!port.ok) return port;
  const pins = parsePins(options.get("pin"));
  if (!pins.ok) return pins;
  const keyPath = options.get("key");
  if (keyPath === undefined && password === "") return err("FENCE_PASSWD is not set, and the line has no key=<file>");
  let privateKey: string | null = null;
  if (keyPath !== undefined) {
    try {
      privateKey = readFileSync(keyPath, "utf8");
    } catch (error) {
      return err(`Cannot read the key ${keyPath}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const user = options.get("user") ?? standardUser;
  const legacy = options.get("legacy") === "1";
  return ok({ host, port: port.value, user, pins: pins.value, password, privateKey, legacy });
}

const LEGACY: NonNullable<ConnectConfig["algorithms"]> = {
  kex: {
    append: ["diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1"],
    prepend: [],
    remove: [],
  },
  serverHostKey: { append: ["ssh-dss"], prepend: [], remove: [] },
  cipher: { append: ["aes256-cbc", "aes128-cbc", "3des-cbc"], prepend: [], remove: [] },
  hmac: { append: ["hmac-sha1", "hmac-md5"], prepend: [], remove: [] },
};

function connectConfig(target: SshTarget, deadline: Deadline, refuse: (reason: string) => void): ConnectConfig {
  return {
    host: target.host,
    port: target.port,
    username: target.user,
    readyTimeout: Math.ceil(deadline.left()),
    ...(target.privateKey === null
      ? { password: target.password, tryKeyboard: true }
      : { privateKey: target.privateKey }),
    ...(target.legacy ? { algorithms: LEGACY } : {}),
    hostVerifier: (key: Buffer): boolean => {
      const reason = pinRefusal(target.pins, fingerprint(key), "host key");
      if (reason !== null) refuse(reason);
      return reason === null;
    },
  };
}

/** Logs in, runs `command`, logs out. An end without the device's own end of the channel is an error. */
export function runOverSsh(target: SshTarget, command: string, deadline: Deadline): Promise<Result<SshAnswer, string>> {
  return new Promise((resolve) => {
    const client = new Client();
    const where = `${target.host} port ${target.port}`;
    let stage = "connecting to";
    const settle = (result: Result<SshAnswer, string>): void => {
      deadline.signal.removeEventListener("abort", expire);
      resolve(result);
      client.destroy();
    };
    const expire = (): void => settle(err(`no end of ${stage} ${where} in time`));
    if (deadline.left() === 0) return expire();
    deadline.signal.addEventListener("abort", expire, { once: true });
    // Without it the last packet of each step waits for an acknowledgement: a second and more over one fencing.
    client.on("connect", () => client.setNoDelay(true));
    client.on("error", (error) => settle(err(`${stage} ${where} failed: ${error.message}`)));
    client.on("close", () => settle(err(`${where} closed the connection while ${stage} it`)));
    // Many BMCs offer the password as an answer to a question; only one hidden question is a password.
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) => {
      const [prompt] = prompts;
      finish(prompts.length === 1 && prompt?.echo !== true ? [target.password] : prompts.map(() => ""));
    });
    client.on("ready", () => {
      stage = `running "${command}" on`;
      client.exec(command, (failure, channel) => {
        if (failure !== undefined) return settle(err(`${where} refused to run "${command}": ${failure.message}`));
        let [stdout, stderr] = ["", ""];
        let code: number | null = null;
        const bounded = (): void => {
          if (stdout.length + stderr.length > MAX_OUTPUT) settle(err(`${where} printed without end`));
        };
        channel.on("data", (chunk: Buffer) => {
          stdout += chunk.toString("utf8");
          bounded();
        });
        channel.stderr.on("data", (chunk: Buffer) => {
          stderr += chunk.toString("utf8");
          bounded();
        });
        channel.on("exit", (status: number | null, signal?: string) => {
          code = status ?? (signal === undefined ? null : -1);
        });
        let ended = false;
        channel.on("end", () => (ended = true));
        channel.on("close", () =>
          settle(ended ? ok({ stdout, stderr, code }) : err(`${where} broke off in the middle of its answer`)),
        );
      });
    });
    client.connect(connectConfig(target, deadline, (reason) => settle(err(`Cannot trust ${where}: ${reason}`))));
  });
}
