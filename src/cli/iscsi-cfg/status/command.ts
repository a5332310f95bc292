// `iscsi-cfg status`: chooses between the live screen, one picture, plain lines, and JSON.

import type { StatusDocument } from "../../../core/model/status.ts";
import { describeClientError, watchDaemon } from "../../../drivers/control/client.ts";
import { isInteractive, textColumns, wantsColour } from "../../context.ts";
import type { CliContext } from "../../context.ts";
import { ask, note } from "../../request.ts";
import type { ExitCode } from "../../request.ts";
import { linearChanges, linearLines } from "./linear.ts";
import { renderPicture } from "./picture.ts";

export interface StatusOptions {
  readonly json?: boolean;
  readonly once?: boolean;
  readonly follow?: boolean;
  /** Lines that are read one after the other, and then what changes. */
  readonly plain?: boolean;
  /** Seconds. */
  readonly tolerance: number;
}

/** 1 when the daemon does not answer or its data is stale. */
export async function showStatus(context: CliContext, options: StatusOptions): Promise<ExitCode> {
  const live = options.once !== true && options.json !== true && options.follow !== true;
  if (live && isInteractive(context)) {
    if (options.plain === true || !canBePainted(context)) return follow(context, { ...options, plain: true });
    const { runDashboard } = await import("./live/run.ts");
    return runDashboard(context, options.tolerance * 1000);
  }
  return options.follow === true ? follow(context, options) : once(context, options);
}

/**
 * ACCESSIBLE is what other tools take for a screen reader, INK_SCREEN_READER what the library of the live screen takes;
 * a dumb terminal cannot move its cursor.
 */
function canBePainted({ env }: CliContext): boolean {
  const isRead = (env["ACCESSIBLE"] ?? "") !== "" || env["INK_SCREEN_READER"] === "true";
  return !isRead && env["TERM"] !== "dumb";
}

async function once(context: CliContext, options: StatusOptions): Promise<ExitCode> {
  const reply = await ask(context, { kind: "status" }, options.json === true);
  if (reply === null) return 1;
  if (reply.kind !== "status") {
    note(
      context,
      `Cannot show the status: tandemd answered ${reply.kind}${"reason" in reply ? `: ${reply.reason}` : ""}`,
    );
    return 1;
  }
  if (options.json === true) context.out(JSON.stringify(reply.status, null, 2));
  else if (options.plain === true) context.out(linearLines(reply.status).join("\n"));
  else context.out(picture(context, reply.status, options));
  const isStale = context.wallMs() - reply.status.wallMs > options.tolerance * 1000;
  if (isStale && options.plain === true) note(context, `This is older than the tolerance of ${options.tolerance} s.`);
  return isStale ? 1 : 0;
}

/** One picture, one JSON document in one line, or what is new in plain lines, per change; ends when the daemon does. */
function follow(context: CliContext, options: StatusOptions): Promise<ExitCode> {
  let last: StatusDocument | null = null;
  return new Promise((resolve) => {
    const end = (code: ExitCode): void => {
      process.off("SIGINT", interrupted);
      watch.close();
      resolve(code);
    };
    const interrupted = (): void => end(0);
    const watch = watchDaemon({
      path: context.socketPath,
      silenceMs: 10_000,
      onStatus: (status) => {
        if (options.json === true) context.out(JSON.stringify(status));
        else if (options.plain === true) {
          const lines = last === null ? linearLines(status) : linearChanges(last, status);
          last = status;
          if (lines.length > 0) context.out(lines.join("\n"));
        } else context.out(`${picture(context, status, options)}\n`);
      },
      onEnd: (error) => {
        const { reason, next } = describeClientError(error);
        note(context, reason);
        note(context, `Next: ${next}`, "      ");
        end(1);
      },
    });
    process.once("SIGINT", interrupted);
    context.stdout.once("error", interrupted);
  });
}

function picture(context: CliContext, status: StatusDocument, options: StatusOptions): string {
  const columns = context.stdout.isTTY ? Math.min(context.stdout.columns, 160) : textColumns;
  const lines = renderPicture(status, {
    columns,
    colour: wantsColour(context),
    now: context.wallMs(),
    toleranceMs: options.tolerance * 1000,
  });
  return lines.join("\n");
}
