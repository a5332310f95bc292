// `iscsi-cfg status`: chooses between the live dashboard, one picture, and JSON.

import type { StatusDocument } from "../../core/model/status.ts";
import { describeClientError, watchDaemon } from "../../drivers/control/client.ts";
import { isInteractive, textColumns, wantsColour } from "../context.ts";
import type { CliContext } from "../context.ts";
import { ask, note } from "../request.ts";
import type { ExitCode } from "../request.ts";
import { renderDashboard } from "./render.ts";

export interface StatusOptions {
  readonly json?: boolean;
  readonly once?: boolean;
  readonly follow?: boolean;
  /** Seconds. */
  readonly tolerance: number;
}

/** 1 when the daemon does not answer or its data is stale. */
export async function showStatus(context: CliContext, options: StatusOptions): Promise<ExitCode> {
  const live = options.once !== true && options.json !== true && options.follow !== true;
  if (live && isInteractive(context)) {
    const { runDashboard } = await import("./dashboard.ts");
    return runDashboard(context, options.tolerance * 1000);
  }
  return options.follow === true ? follow(context, options) : once(context, options);
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
  else context.out(picture(context, reply.status, options));
  return context.wallMs() - reply.status.wallMs > options.tolerance * 1000 ? 1 : 0;
}

/** One picture, or one JSON document in one line, per change; ends when the daemon does. */
function follow(context: CliContext, options: StatusOptions): Promise<ExitCode> {
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
        else context.out(`${picture(context, status, options)}\n`);
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
  const lines = renderDashboard(
    { kind: "live", status },
    { columns, rows: null, colour: wantsColour(context), now: context.wallMs(), toleranceMs: options.tolerance * 1000 },
  );
  return lines.join("\n");
}
