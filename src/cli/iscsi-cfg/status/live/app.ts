// The live screen while somebody sits before it: what is known, which keys were pressed, how large the terminal is.

import { useApp, useInput, useWindowSize } from "ink";
import { createElement as h, useEffect, useState } from "react";
import type { ReactElement } from "react";
import type { Millis } from "../../../../core/model/time.ts";
import { askDaemon } from "../../../../drivers/control/client.ts";
import type { CliContext } from "../../../context.ts";
import { followFile } from "../../../follow-file.ts";
import { formatLogLine } from "../../../log-line.ts";
import { historyLines } from "../../../reports.ts";
import type { DashboardView } from "../sections.ts";
import { Dashboard } from "./screens.ts";
import type { Screen } from "./screens.ts";
import { followStatus } from "./source.ts";

export interface AppProps {
  readonly context: CliContext;
  readonly toleranceMs: Millis;
  readonly colour: boolean;
  readonly unicode: boolean;
}

/** Countdowns and ages move between two documents. */
const redrawMs: Millis = 500;
const logLines = 500;
const failovers = 20;
const answerMs: Millis = 5_000;

const screenOf: Readonly<Record<string, Screen>> = {
  h: "help",
  "?": "help",
  l: "log",
  y: "history",
  e: "events",
};

export function App({ context, toleranceMs, colour, unicode }: AppProps): ReactElement {
  const { exit } = useApp();
  const { columns, rows } = useWindowSize();
  const [view, setView] = useState<DashboardView>({ kind: "connecting" });
  const [screen, setScreen] = useState<Screen>("main");
  const [scroll, setScroll] = useState(0);
  const now = useNow(context);
  const epoch = view.kind === "live" ? view.status.own.epoch : null;
  const log = useLog(context, screen === "log");
  const history = useHistory(context, screen === "history", epoch);

  useEffect(() => {
    const source = followStatus(context.socketPath, setView);
    return () => source.close();
  }, [context]);

  useInput((input, key) => {
    const page = Math.max(1, rows - 4);
    if (input === "q" || (key.ctrl && (input === "c" || input === "d"))) exit();
    else if (key.escape) show("main");
    else if (key.upArrow || input === "k") setScroll((at) => Math.max(0, at - 1));
    else if (key.downArrow || input === "j") setScroll((at) => at + 1);
    else if (key.pageUp) setScroll((at) => Math.max(0, at - page));
    else if (key.pageDown) setScroll((at) => at + page);
    else {
      const asked = screenOf[input];
      if (asked !== undefined) show(asked === screen ? "main" : asked);
    }
  });

  function show(next: Screen): void {
    setScreen(next);
    setScroll(0);
  }

  const texts = screen === "log" ? log : history;
  return h(Dashboard, { view, columns, rows, colour, unicode, now, toleranceMs, screen, scroll, texts });
}

function useNow(context: CliContext): number {
  const [now, setNow] = useState(context.wallMs);
  useEffect(() => {
    const timer = setInterval(() => setNow(context.wallMs()), redrawMs);
    return () => clearInterval(timer);
  }, [context]);
  return now;
}

/** The end of the log file, newest first, as long as it is looked at. */
function useLog(context: CliContext, isShown: boolean): readonly string[] {
  const [lines, setLines] = useState<readonly string[]>([]);
  useEffect(() => {
    if (!isShown) return undefined;
    setLines([]);
    const abort = new AbortController();
    const onLine = (line: string): void => {
      if (line !== "") setLines((old) => [formatLogLine(line), ...old].slice(0, logLines));
    };
    const options = { path: context.logPath, lines: logLines, follow: true, onLine, signal: abort.signal };
    followFile(options).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      setLines([`Cannot read ${context.logPath}: ${reason}`, "Next: journalctl -u tandemd -f"]);
    });
    return () => abort.abort();
  }, [context, isShown]);
  return lines;
}

/** Asked when the screen is opened, and again when the storage has changed hands. */
function useHistory(context: CliContext, isShown: boolean, epoch: number | null): readonly string[] {
  const [lines, setLines] = useState<readonly string[]>([]);
  useEffect(() => {
    if (!isShown) return undefined;
    let isOver = false;
    const path = context.socketPath;
    void askDaemon({ kind: "history", limit: failovers }, { path, silenceMs: answerMs }).then((answer) => {
      if (isOver) return;
      if (answer.ok && answer.value.kind === "history") setLines(historyLines(answer.value.failovers));
      else setLines(["Cannot read the history: tandemd does not answer", "Next: systemctl status tandemd"]);
    });
    return () => {
      isOver = true;
    };
  }, [context, isShown, epoch]);
  return lines;
}
