// A real SMTP server on loopback (smtp-server), with the moods of mail servers.

import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

export interface Received {
  readonly to: readonly string[];
  readonly source: string;
  readonly encrypted: boolean;
  readonly user: string | null;
}

export interface SmtpPeer {
  readonly port: number;
  readonly mails: Received[];
  /** Every password that arrived, right or wrong. */
  readonly passwords: string[];
  stop(): Promise<void>;
}

export interface SmtpPeerOptions {
  readonly starttls?: boolean;
  readonly implicitTls?: boolean;
  /** user:password; without it nobody may log in. */
  readonly login?: string;
  /** Receivers whose mail is refused. */
  readonly refuses?: string;
  readonly host?: string;
  readonly port?: number;
}

export async function startSmtp(options: SmtpPeerOptions = {}): Promise<SmtpPeer> {
  const mails: Received[] = [];
  const passwords: string[] = [];
  const disabledCommands = [
    ...(options.starttls === true ? [] : ["STARTTLS"]),
    ...(options.login === undefined ? ["AUTH"] : []),
  ];
  const server = new SMTPServer({
    secure: options.implicitTls === true,
    disabledCommands,
    authOptional: options.login === undefined,
    // A server that would take a password in the open: it is our side that must not send it.
    allowInsecureAuth: true,
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 50,
    onAuth(auth, _session, callback) {
      passwords.push(auth.password ?? "");
      if (`${auth.username}:${auth.password}` === options.login) callback(null, { user: auth.username });
      else callback(new Error("no such login"));
    },
    onRcptTo(address, _session, callback) {
      callback(address.address === options.refuses ? new Error("no such mailbox") : null);
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        mails.push({
          to: session.envelope.rcptTo.map(({ address }) => address),
          source: Buffer.concat(chunks).toString("utf8"),
          encrypted: session.secure,
          user: typeof session.user === "string" ? session.user : null,
        });
        callback();
      });
    },
  });
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => void server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve));
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    passwords,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}
