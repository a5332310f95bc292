// The live dashboard: feeds the renderer with documents from the socket, keys and the size of the terminal.
// Must always give the terminal back as it was, and never show more than the renderer made of what the daemon said.

import { emitKeypressEvents } from "node:readline";
import { createLogUpdate } from "log-update";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import { askDaemon, describeClientError, watchDaemon } from "../../drivers/control/client.ts";
import type { ControlClientError, Watch } from "../../drivers/control/client.ts";
import { wantsColour } from "../context.ts";
import type { CliContext } from "../context.ts";
import type { ExitCode } from "../request.ts";
import { renderDashboard } from "./render.ts";
import type { DashboardView, RenderOptions } from "./render.ts";

/** The picture is drawn this often though nothing changed: countdowns and ages move. */
const redrawMs: Millis = 500;
/** A stream that is silent for this long may only have nothing to say: the daemon is asked. */
const askAfterMs: Millis = 2_000;
const reconnectMs: Millis = 1_000;
const silenceMs: Millis = 5_000;

const enterScreen = "\u001b[?1049h\u001b[H";
const leaveScreen = "\u001b[?1049l";
const showCursor = "\u001b[?25h";

export function runDashboard(context: CliContext, toleranceMs: Millis): Promise<ExitCode> {
  const { stdin, stdout } = context;
  const paint = createLogUpdate(stdout);
  let view: DashboardView = { kind: "connecting" };
  let screen: NonNullable<RenderOptions["screen"]> = "main";

  const draw = (): void => {
    // log-update keeps the cursor below the picture, so the last row stays free.
    const rows = Math.max(2, (stdout.rows ?? 24) - 1);
    const columns = stdout.columns ?? 80;
    const colour = wantsColour(context);
    const lines = renderDashboard(view, {
      columns,
      rows,
      colour,
      now: context.wallMs(),
      screen,
      toleranceMs,
      keys: true,
    });
    paint(lines.join("\n"));
  };
  const source = followStatus(context.socketPath, (next) => {
    view = next;
    draw();
  });

  // Also when something breaks: a dead dashboard must not leave a dead terminal. Node itself ends the raw mode.
  const restore = (): void => void stdout.write(`${leaveScreen}${showCursor}`);
  process.once("exit", restore);

  return new Promise((resolve) => {
    const quit = (): void => {
      clearInterval(timer);
      source.close();
      stdin.off("keypress", onKey);
      stdout.off("resize", onResize);
      stdout.off("error", quit);
      for (const signal of signals) process.off(signal, quit);
      stdin.setRawMode(false);
      stdin.pause();
      paint.done();
      process.off("exit", restore);
      restore();
      resolve(0);
    };
    const onKey = (_text: string | undefined, key: { readonly name?: string; readonly ctrl?: boolean }): void => {
      if (key.name === "q" || (key.ctrl === true && (key.name === "c" || key.name === "d"))) {
        quit();
        return;
      }
      if (key.name === "h") screen = screen === "help" ? "main" : "help";
      else if (key.name === "l") screen = screen === "events" ? "main" : "events";
      else if (key.name === "escape") screen = "main";
      else return;
      draw();
    };
    const onResize = (): void => {
      paint.clear();
      stdout.write("\u001b[2J\u001b[H");
      draw();
    };
    const signals = ["SIGTERM", "SIGHUP", "SIGINT"] as const;
    const timer = setInterval(draw, redrawMs);
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on("keypress", onKey);
    stdout.on("resize", onResize);
    stdout.on("error", quit);
    for (const signal of signals) process.on(signal, quit);
    stdout.write(enterScreen);
    draw();
  });
}

/** Keeps a view current: watches, asks when the stream is silent, and connects again when it ends. */
function followStatus(path: string, onView: (view: DashboardView) => void): { close(): void } {
  let last: StatusDocument | null = null;
  let heardAt = performance.now();
  let watch: Watch | null = null;
  let again: NodeJS.Timeout | undefined;
  let asking = false;
  let closed = false;

  const onStatus = (status: StatusDocument): void => {
    if (closed) return;
    last = status;
    heardAt = performance.now();
    onView({ kind: "live", status });
  };
  const onEnd = (error: ControlClientError): void => {
    watch = null;
    if (closed) return;
    onView({ kind: "down", ...describeClientError(error), last });
    again = setTimeout(connect, reconnectMs);
  };
  const connect = (): void => {
    watch = watchDaemon({ path, silenceMs, onStatus, onEnd });
  };
  // A stopped or hung daemon leaves the stream open: its data then grows old, and the renderer says so.
  const prod = setInterval(() => {
    if (asking || watch === null || performance.now() - heardAt < askAfterMs) return;
    asking = true;
    askDaemon({ kind: "status" }, { path, silenceMs }).then(
      (answer) => {
        asking = false;
        if (answer.ok && answer.value.kind === "status") onStatus(answer.value.status);
      },
      (error: unknown) => {
        asking = false;
        throw error;
      },
    );
  }, askAfterMs / 2);
  connect();
  return {
    close: () => {
      closed = true;
      clearInterval(prod);
      clearTimeout(again);
      watch?.close();
    },
  };
}
