// One e-mail to one SMTP server, with a deadline for all of it. TLS on port 465, else STARTTLS where the server offers it; a
// password never goes over a line that is not encrypted to a verified server. It never reads files or addresses for a mail.

import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";

export interface SmtpSettings {
  readonly server: string;
  readonly port: number;
  /** Empty: no login. */
  readonly user: string;
  readonly password: { reveal(): string } | null;
}

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** The same for every try, so that a mail sent twice by a crash in between is seen as one. */
  readonly messageId: string;
  readonly wallMs: number;
}

/** The error is a sentence without the password. */
export type SendMail = (settings: SmtpSettings, mail: Mail, timeoutMs: Millis) => Promise<Result<"accepted", string>>;

const IMPLICIT_TLS = 465;

/** Nobody can listen in there, and its certificate cannot name it. */
const isLoopback = (server: string): boolean => /^(127\.[0-9.]+|::1|localhost)$/i.test(server);

/** Of a header: no line break and no other control character can begin a second one. */
export const headerText = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .toWellFormed()
    .trim()
    .slice(0, 300);

export const sendMail: SendMail = async (settings, mail, timeoutMs) => {
  // Loaded with the first mail: the daemon's start need not wait for it.
  const { createTransport, getCACertificates } = await import("./nodemailer.ts");
  const { server, port, user, password } = settings;
  const login = user !== "";
  const verified = login && !isLoopback(server);
  const transport = createTransport({
    host: server,
    port,
    secure: port === IMPLICIT_TLS,
    requireTLS: verified,
    // Without a login the mail alone is at stake, and a server with a private certificate is better than none (RFC 7435).
    tls: verified
      ? { ca: [...getCACertificates("default"), ...getCACertificates("system")] }
      : { rejectUnauthorized: false },
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(login ? { auth: { user, pass: password?.reveal() ?? "" } } : {}),
  });
  try {
    const sent = await transport.sendMail({
      from: mail.from,
      to: [...mail.to],
      subject: headerText(mail.subject),
      text: mail.text.toWellFormed(),
      messageId: mail.messageId,
      date: new Date(mail.wallMs),
      // Tells mailing programs not to answer (RFC 3834).
      headers: { "Auto-Submitted": "auto-generated" },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (sent.rejected.length === 0) return ok("accepted");
    return err(`${server} refused the receivers ${sent.rejected.map(String).join(", ")}`);
  } catch (error) {
    return err(reasonOf(error, settings, timeoutMs));
  } finally {
    transport.close();
  }
};

function reasonOf(error: unknown, { server, port, password }: SmtpSettings, timeoutMs: Millis): string {
  const text = error instanceof Error ? error.message : String(error);
  const secret = password?.reveal() ?? "";
  const shown = secret === "" ? text : text.replaceAll(secret, "[set]");
  const aborted = error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
  return aborted
    ? `${server} port ${port} took longer than ${timeoutMs} ms`
    : `${server} port ${port}: ${headerText(shown).slice(0, 200)}`;
}
