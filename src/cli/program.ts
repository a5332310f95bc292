// The frame of both tools: commander with our exit codes, help within 80 columns, and one way to run a command.

import { Command, CommanderError } from "commander";
import type { Argument } from "commander";
import { textColumns } from "./context.ts";
import type { CliContext } from "./context.ts";
import type { ExitCode } from "./request.ts";
import { wrap } from "./text.ts";

export interface Tool {
  readonly program: Command;
  /** Adds a command whose work is loaded only when it is called. `--json` is on every command. */
  command(nameAndArguments: string, description: string): Command;
  /** The exit code of the command that ran. */
  finish(code: ExitCode): void;
  /** No arguments: shows the help and counts as wrong usage. */
  main(argv: readonly string[]): Promise<ExitCode>;
}

const exitHelp = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a safety rule`;

export function createTool(context: CliContext, name: string, description: string, version: string): Tool {
  let code: ExitCode = 0;
  const program = new Command(name);
  const shape = (command: Command): Command =>
    command
      .exitOverride()
      .configureHelp({
        helpWidth: textColumns,
        // Without " [options]": every command has some.
        subcommandTerm: (each) => [each.name(), ...each.registeredArguments.map(argumentTerm)].join(" "),
      })
      .configureOutput({
        writeOut: (text) => context.out(text.replace(/\n$/, "")),
        writeErr: (text) => context.note(foldLong(text.replace(/\n$/, ""))),
        getOutHelpWidth: () => textColumns,
        getErrHelpWidth: () => textColumns,
      })
      .showHelpAfterError(`See "${name} --help"`)
      .helpOption("-h, --help", "show this help");
  shape(program)
    .description(description)
    .version(version, "-V, --version", "show the version of this tool")
    .helpCommand("help [command]", "show the help of a command")
    .addHelpText("after", exitHelp);

  return {
    program,
    command: (nameAndArguments, text) => {
      const command = shape(program.command(nameAndArguments));
      return command.description(text).option("--json", "print the answer as JSON").allowExcessArguments(false);
    },
    finish: (value) => {
      code = value;
    },
    main: async (argv) => {
      if (argv.length === 0) {
        program.outputHelp();
        return 2;
      }
      try {
        await program.parseAsync([...argv], { from: "user" });
        return code;
      } catch (error) {
        if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
        throw error;
      }
    },
  };
}

/** Only lines that are too long: help has columns that folding would destroy. */
function foldLong(text: string): string {
  const lines = text.split("\n");
  return lines.flatMap((line) => (line.length > textColumns ? wrap(line, textColumns, "  ") : [line])).join("\n");
}

function argumentTerm(argument: Argument): string {
  return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
}

/** Options every command has. */
export interface CommonOptions {
  readonly json?: boolean;
}
