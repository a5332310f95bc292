// Does the mail server answer? Connects and reads its greeting; sends no mail and logs nobody in.

import { connect } from "node:net";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";

const IMPLICIT_TLS = 465;
const MOST_BYTES = 4_096;

/** The greeting, or that it is TLS from the first byte (465), or why there is none. */
export function smtpGreeting(server: string, port: number, timeoutMs: Millis): Promise<Result<string, string>> {
  return new Promise((resolve) => {
    const socket = connect({ host: server, port });
    let text = "";
    const end = (result: Result<string, string>): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(err(`no greeting within ${timeoutMs / 1000} s`)), timeoutMs);
    socket.on("error", (error) => end(err(error.message)));
    socket.on("close", () => end(err("it closed the connection without a greeting")));
    socket.on("connect", () => {
      if (port === IMPLICIT_TLS) end(ok("connected (TLS from the first byte)"));
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const [line, rest] = text.split(/\r?\n/, 2);
      if (rest === undefined && text.length < MOST_BYTES) return;
      const said = (line ?? "").replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 80);
      end(/^220[ -]/.test(said) ? ok(said) : err(`found "${said}", expected a greeting (220)`));
    });
  });
}
