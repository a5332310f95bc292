// Starts and ends the live screen. Must always give the terminal back as it was.

import { render } from "ink";
import { createElement as h } from "react";
import type { Millis } from "../../../../core/model/time.ts";
import { wantsColour } from "../../../context.ts";
import type { CliContext } from "../../../context.ts";
import type { ExitCode } from "../../../request.ts";
import { App } from "./app.ts";

/** Ends with the key q, with Ctrl-C, or with a signal. */
export async function runDashboard(context: CliContext, toleranceMs: Millis): Promise<ExitCode> {
  const { stdin, stdout } = context;
  const app = h(App, { context, toleranceMs, colour: wantsColour(context), unicode: showsUnicode(context.env) });
  const screen = render(app, {
    stdin,
    stdout,
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    patchConsole: false,
    // Also where an automation sets CI: a person asked for the screen, on a terminal.
    interactive: true,
  });
  const quit = (): void => screen.unmount();
  const signals = ["SIGTERM", "SIGHUP", "SIGINT"] as const;
  for (const signal of signals) process.on(signal, quit);
  stdout.on("error", quit);
  await screen.waitUntilExit();
  for (const signal of signals) process.off(signal, quit);
  stdout.off("error", quit);
  return 0;
}

/** What the locale says of the terminal's characters; the first one that is set counts, as in setlocale(3). */
function showsUnicode(env: CliContext["env"]): boolean {
  const set = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => value !== undefined && value !== "");
  return /utf-?8/i.test(set ?? "");
}
