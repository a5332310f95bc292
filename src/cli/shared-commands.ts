// The commands both tools have: log, explain, history, version, completion. The work is loaded when a command runs.

import { Argument, InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { levels } from "./log-line.ts";
import type { Level } from "./log-line.ts";
import type { CommonOptions, Tool } from "./program.ts";
import { run } from "./request.ts";

export function addLog(tool: Tool, context: CliContext): Command {
  return tool
    .command("log", "watch the log of tandemd; Ctrl-C ends it")
    .option("-n, --lines <count>", "begin with the last COUNT lines", parseCount(0, 100_000), 20)
    .option("--no-follow", "end after the last line")
    .addOption(new Option("--level <level>", "leave out what is less important").choices([...levels]).default("debug"))
    .action(async (options: CommonOptions & { lines: number; follow: boolean; level: Level }) => {
      const { showLog } = await import("./log-command.ts");
      tool.finish(await showLog(context, { ...options, json: options.json === true }));
    });
}

export function addExplain(tool: Tool, context: CliContext): Command {
  return tool
    .command("explain", "why tandemd does what it does, and what it would do if the peer died now")
    .action(async (options: CommonOptions) =>
      tool.finish(await run(context, { kind: "explain" }, options.json === true)),
    );
}

interface HistoryFlags extends CommonOptions {
  readonly limit: number;
  readonly svg?: string;
  readonly html?: string;
  readonly with?: string;
}

export function addHistory(tool: Tool, context: CliContext): Command {
  return tool
    .command("history", "past failovers and moves of the storage; with a number, that one")
    .addArgument(new Argument("[number]", "1 is the newest").argParser(parseCount(1, 1000)))
    .option("-n, --limit <count>", "list at most COUNT of them", parseCount(1, 1000), 10)
    .option("--svg <file>", "draw the timeline (of the newest, without a number)")
    .option("--html <file>", "the same as a page with every moment")
    .option("--with <file>", "beside it the other host's, from its 'history --json'")
    .action(async (number: number | undefined, { json, limit, svg, html, with: other }: HistoryFlags) => {
      const { showHistory } = await import("./history-command.ts");
      tool.finish(await showHistory(context, { number, limit, svg, html, with: other, json: json === true }));
    });
}

export function addVersion(tool: Tool, context: CliContext): Command {
  return tool
    .command("version", "versions of this tool, of tandemd here and on the peer")
    .action(async (options: CommonOptions) => {
      const { showVersion } = await import("./version-command.ts");
      tool.finish(await showVersion(context, options.json === true));
    });
}

export function addCompletion(tool: Tool, context: CliContext): Command {
  const name = tool.program.name();
  return tool
    .command("completion", "print the completion of a shell")
    .addArgument(new Argument("<shell>", "bash or zsh").choices(["bash", "zsh"]))
    .addHelpText(
      "after",
      `\nbash: ${name} completion bash > /etc/bash_completion.d/${name}\nzsh:  ${name} completion zsh > /usr/share/zsh/site-functions/_${name}`,
    )
    .action(async (shell: "bash" | "zsh", { json }: CommonOptions) => {
      const { completionScript } = await import("./completion.ts");
      const text = completionScript(tool.program, shell);
      context.out(json === true ? JSON.stringify({ kind: "text", text }) : text.trimEnd());
      tool.finish(0);
    });
}

/** For commander: a whole number in a range, or a usage error that says which. */
export function parseCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`Found "${text}", expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}
