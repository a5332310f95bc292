// Completion for bash and zsh, made from the same declarations as the help: a new command or option is completed without
// another word about it. Pure but for the one question to the daemon that the script itself asks: the names of the VMs.

import type { Command } from "commander";
import { parametersOf } from "../config/parameters.ts";

export type Shell = "bash" | "zsh";

interface Completed {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  readonly words: readonly Words[];
}

interface OptionWords {
  readonly flags: readonly string[];
  readonly description: string;
  /** What may stand after it; null: it takes no value. */
  readonly value: Words | null;
}

/** What may stand in the place of one argument. */
type Words =
  | { readonly kind: "list"; readonly of: readonly string[] }
  /** Written in capitals, and typed as one likes. */
  | { readonly kind: "parameters" }
  | { readonly kind: "files" }
  | { readonly kind: "vms" }
  | { readonly kind: "nothing" };

/** Each tool shows the parameters of its own part. */
const parameterNames = (tool: string): string =>
  parametersOf(tool === "iscsi-cfg" ? "storage" : "pool")
    .map((one) => one.name)
    .join(" ");

export function completionScript(program: Command, shell: Shell): string {
  const commands = program.commands.map(completed);
  const tool = program.name();
  return shell === "bash" ? bash(tool, commands) : zsh(tool, commands);
}

function completed(command: Command): Completed {
  const name = command.name();
  return {
    name,
    description: command.description(),
    options: [
      ...command.options.map(({ short, long, description, required, flags, argChoices }) => ({
        flags: [short, long].filter((flag) => flag !== undefined),
        description,
        value: required ? wordsOf(name, /<([a-z]+)>/.exec(flags)?.[1] ?? "", argChoices) : null,
      })),
      { flags: ["-h", "--help"], description: "show this help", value: null },
    ],
    words: command.registeredArguments.map((argument) => wordsOf(name, argument.name(), argument.argChoices)),
  };
}

function wordsOf(command: string, placeholder: string, choices: readonly string[] | undefined): Words {
  if (choices !== undefined) return { kind: "list", of: choices };
  switch (placeholder) {
    case "name":
      // Elsewhere it is that of a host, which is to be typed.
      return command === "get" || command === "set" ? { kind: "parameters" } : { kind: "nothing" };
    case "vm":
      return { kind: "vms" };
    case "file":
    case "folder":
      return { kind: "files" };
    default:
      return { kind: "nothing" };
  }
}

const identifier = (tool: string): string => `_${tool.replaceAll("-", "_")}`;

const joined = (flags: readonly string[], by: string): string => flags.join(by);

function bash(tool: string, commands: readonly Completed[]): string {
  const cases = commands.map(({ name, options, words }) => {
    const flags = joined(
      options.flatMap((one) => one.flags),
      " ",
    );
    const values = options.flatMap(({ flags: own, value }) =>
      value === null ? [] : [`          ${joined(own, " | ")}) ${bashWords(tool, value)}; return ;;`],
    );
    const places = words.map((one, index) => `          ${index + 1}) ${bashWords(tool, one)} ;;`);
    return [
      `      ${name})`,
      ...(values.length === 0 ? [] : ['        case "$before" in', ...values, "        esac"]),
      `        case "$cur" in -*) _tandem_words "${flags}"; return ;; esac`,
      ...(places.length === 0 ? [] : ['        case "$place" in', ...places, "        esac"]),
      "        ;;",
    ].join("\n");
  });
  const names = commands.map((one) => one.name).join(" ");
  const withValue = commands.flatMap(({ name, options }) =>
    options.flatMap(({ flags, value }) => (value === null ? [] : flags.map((flag) => `"${name} ${flag}"`))),
  );
  return `# bash completion of ${tool}; made by "${tool} completion bash"
_tandem_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_tandem_files() { mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames 2>/dev/null; }
_tandem_vms() {
  local name
  COMPREPLY=()
  while IFS= read -r name; do
    case "$name" in "$cur"*) COMPREPLY+=("$(printf '%q' "$name")") ;; esac
  done < <("$1" get-vm-ha --names 2>/dev/null)
}
${identifier(tool)}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" command="" place=1 i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
      ${withValue.length === 0 ? "" : `${withValue.join(" | ")}) i=$((i + 1)) ;;`}
      *" -"*) ;;
      *) if [ -z "$command" ]; then command="\${COMP_WORDS[i]}"; else place=$((place + 1)); fi ;;
    esac
  done
  case "$command" in
      "")
        case "$cur" in -*) _tandem_words "--help --version" ;; *) _tandem_words "${names} help" ;; esac
        ;;
      help)
        if [ "$place" = 1 ]; then _tandem_words "${names}"; fi
        ;;
${cases.join("\n")}
  esac
}
complete -F ${identifier(tool)} ${tool}
`;
}

function bashWords(tool: string, words: Words): string {
  switch (words.kind) {
    case "list":
      return `_tandem_words "${words.of.join(" ")}"`;
    case "parameters":
      return `cur="\${cur^^}"; _tandem_words "${parameterNames(tool)}"`;
    case "files":
      return "_tandem_files";
    case "vms":
      return `_tandem_vms ${tool}`;
    case "nothing":
      return ":";
  }
}

/** Inside single quotes, where a colon or a bracket would end the description. */
const zshText = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, " ");

function zsh(tool: string, commands: readonly Completed[]): string {
  const self = identifier(tool);
  const list = commands.map(({ name, description }) => `    '${name}:${zshText(description)}'`);
  const cases = commands.map(({ name, options, words }) => {
    const specs = [
      ...options.flatMap(({ flags, description: text, value }) =>
        flags.map((flag) => `'${flag}[${zshText(text)}]${value === null ? "" : `:value:${zshWords(self, value)}`}'`),
      ),
      ...words.map((one, index) => `'${index + 1}: :${zshWords(self, one)}'`),
    ];
    return `    ${name}) _arguments ${specs.join(" ")} ;;`;
  });
  return `#compdef ${tool}
# zsh completion of ${tool}; made by "${tool} completion zsh"
${self}_vms() {
  local -a names
  names=("\${(@f)$(${tool} get-vm-ha --names 2>/dev/null)}")
  compadd -a names
}
${self}_parameters() { compadd -M 'm:{a-z}={A-Z}' -- ${parameterNames(tool)}; }
${self}() {
  local -a commands
  commands=(
${list.join("\n")}
    'help:show the help of a command'
  )
  if (( CURRENT == 2 )); then
    _describe -t commands 'command' commands
    return
  fi
  local command="$words[2]"
  words=("\${(@)words[2,-1]}")
  (( CURRENT-- ))
  case "$command" in
    help) _describe -t commands 'command' commands ;;
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "${self}" ]; then ${self} "$@"; else compdef ${self} ${tool}; fi
`;
}

function zshWords(self: string, words: Words): string {
  switch (words.kind) {
    case "list":
      return `(${words.of.join(" ")})`;
    case "parameters":
      return `${self}_parameters`;
    case "files":
      return "_files";
    case "vms":
      return `${self}_vms`;
    case "nothing":
      return "";
  }
}
