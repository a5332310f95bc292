// What the documents tell an administrator to type exists: every command of README, guide and manual goes through the real
// tool's own parser. And the guide has a page for every alert and every scenario of the lab.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { haCfg } from "../../src/cli/ha-cfg/main.ts";
import { iscsiCfg } from "../../src/cli/iscsi-cfg/main.ts";
import { AREAS } from "../../src/daemon/alerts/alert-texts.ts";
import { HOST_COMMANDS } from "../lab/installed/documented.ts";
import { healthyStatus } from "../drivers/control/status-sample.ts";
import { startDouble, type Double } from "./daemon-double.ts";

const root = new URL("../..", import.meta.url).pathname;
const guide = join(root, "rpm/guide");
const pages = readdirSync(guide).map((name) => ({ name, text: readFileSync(join(guide, name), "utf8") }));
const manual = join(root, "rpm/man");
const documents = [
  ...pages,
  ...["README.md", "CONTRIBUTING.md"].map((name) => ({ name, text: readFileSync(join(root, name), "utf8") })),
  ...readdirSync(manual).map((name) => ({ name, text: readFileSync(join(manual, name), "utf8") })),
];

const TOOLS = { "ha-cfg": haCfg, "iscsi-cfg": iscsiCfg } as const;
type Tool = keyof typeof TOOLS;

/** Lines of code blocks and code spans that begin with one of the tools and a command of it. */
function commandsIn(text: string): readonly string[] {
  const blocks = text.split("\n").flatMap((line) => /^(?: {4})?((?:ha|iscsi)-cfg [a-z].*)$/.exec(line)?.[1] ?? []);
  const spans = [...text.matchAll(/`((?:ha|iscsi)-cfg [a-z][^`]*)`/g)].map(([, span = ""]) => span);
  return [...new Set([...blocks, ...spans])].map((line) => (line.split(/ {2,}|\s+#|\s+\||;/)[0] ?? "").trim());
}

let daemon: Double;
let folder: string;
before(async () => {
  daemon = await startDouble();
  daemon.script.status = [{ kind: "status", status: healthyStatus }];
  folder = mkdtempSync(join(tmpdir(), "tandem-documents-"));
});
after(async () => {
  await daemon.stop();
  rmSync(folder, { recursive: true });
});

const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  // It follows the log, and status the daemon, until somebody ends them.
  log: ["--no-follow"],
  status: ["--once"],
};

const all = new Map(documents.flatMap(({ name, text }) => commandsIn(text).map((command) => [command, name] as const)));

test("there is something to check", () => assert.ok(all.size > 30, String(all.size)));

for (const [command, where] of all) {
  test(`${where}: ${command}`, async () => {
    const [tool = "", ...words] = command.split(" ");
    const args = words.map((word) => (/\.(html|svg|json|ya?ml)$/.test(word) ? join(folder, word) : word));
    const said: string[] = [];
    const name = tool as Tool;
    const more = name === "iscsi-cfg" || args[0] !== "status" ? (HARMLESS[args[0] ?? ""] ?? []) : [];
    const code = await TOOLS[name]([...args, ...more.filter((one) => !args.includes(one))], {
      socketPath: daemon.path,
      logPath: "/nonexistent",
      out: () => undefined,
      note: (text) => void said.push(text),
      env: { NO_COLOR: "1" },
      // Nobody sits there.
      stdin: Object.assign(process.stdin, { isTTY: false }),
      stdout: Object.assign(Object.create(process.stdout) as typeof process.stdout, { isTTY: false }),
      wallMs: () => healthyStatus.wallMs + 300,
    });
    // What a person would be asked for is not missing in the document.
    if (!said.join(" ").includes("found no terminal")) assert.notEqual(code, 2, said.join("\n"));
  });
}

/** Commands of a host's own programs: in blocks, spans and manual pages. */
const PROGRAMS =
  "systemctl|journalctl|rpm|rpm2cpio|curl|tandem|drbdadm|drbdsetup|xe|xl|cat|ip|tgtadm|modprobe|TANDEM_PURGE=1";
function hostCommandsIn(text: string): readonly string[] {
  const blocks = new RegExp(`^(?: {4})?((?:${PROGRAMS}) .+)$`, "gm");
  const spans = new RegExp(`\`((?:${PROGRAMS}) [^\`]+)\``, "g");
  const found = [...text.matchAll(blocks), ...text.matchAll(spans)].map(([, command = ""]) => command);
  const roff = [...text.matchAll(/^\.(?:B|BR|RB \() "([a-z]+ [^"]+)"/gm)].map(([, command = ""]) => command);
  const isProgram = new RegExp(`^(?:${PROGRAMS}) `);
  const all = [...found, ...roff.map((one) => one.replaceAll("\\-", "-")).filter((one) => isProgram.test(one))];
  return (
    all
      .map((one) => (one.split(/ {2,}|\s+#/)[0] ?? "").trim())
      // The first line of a manual page.
      .filter((one) => !/^tandem (?:@|\\- )/.test(one))
  );
}

/** By the package's test, on a root of its own. The words prove that the test still does it. */
const BY_PACKAGE_TEST: ReadonlyMap<RegExp, string> = new Map([
  [/^rpm -K /, '"-K"'],
  [/^rpm -U --oldpackage/, '"--oldpackage"'],
  [/^rpm -U /, 'host.rpm("-U"'],
  [/^rpm -i /, 'host.rpm("-i"'],
  [/^rpm -e ha-lizard/, 'host.rpm("-e", "ha-lizard")'],
  [/^rpm -e/, 'host.rpm("-e", "tandem")'],
  [/^rpm2cpio .*\*\/save-ha-lizard' \| sh$/, "*/save-ha-lizard' | sh"],
  [/^rpm2cpio .*\|$/, "rpm2cpio"],
]);

test("every command of a host's own in the documents is run: in the lab's erase, or by the package's test", () => {
  const packageTest = readFileSync(join(root, "test/rpm/package.test.ts"), "utf8");
  const found = documents.flatMap(({ name, text }) => hostCommandsIn(text).map((command) => ({ name, command })));
  assert.ok(found.length > 15, String(found.length));
  const unrun = found.filter(({ command }) => {
    const tried = [...BY_PACKAGE_TEST].find(([pattern]) => pattern.test(command));
    if (tried !== undefined) return !packageTest.includes(tried[1]);
    return !HOST_COMMANDS.some((one) => one.command === command || one.command === command.replace(/\.service$/, ""));
  });
  assert.deepEqual(unrun, []);
});

test("every script of the documents is one of the package's", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  for (const { name, text } of documents)
    for (const [, script = ""] of text.matchAll(/npm run ([a-z:]+)/g))
      assert.ok(script in scripts, `${name}: ${script}`);
});

test("every alert has its page in the guide", () => {
  const told = new Set(
    pages.flatMap(({ text }) =>
      [...(/^Alerts: (.*)$/m.exec(text)?.[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, id]) => id),
    ),
  );
  assert.deepEqual(
    Object.keys(AREAS).filter((id) => !told.has(id)),
    [],
  );
});

/** What is no failure has no page. */
const NO_FAILURES: readonly string[] = [
  "setup-from-blank",
  "setup-by-questions",
  "setup-refuses-data",
  "upgrade-under-io",
  "erase",
  "dashboard-on-the-pair",
];

test("every failure that the lab plays is on a page, and every scenario that a page names exists", () => {
  const named = new Set(
    pages.flatMap(({ text }) =>
      [...(/^Tried in the lab: (.*)$/m.exec(text)?.[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
    ),
  );
  const scenarios = readdirSync(join(root, "test/scenarios"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  assert.deepEqual(
    scenarios.filter((name) => !named.has(name) && !NO_FAILURES.includes(name)),
    [],
  );
  assert.deepEqual(
    [...named].filter((name) => !scenarios.includes(name)),
    [],
  );
});

test("each page says what is seen, what was done and what to do, and the index leads to it", () => {
  const index = pages.find(({ name }) => name === "README.md")?.text ?? "";
  for (const { name, text } of pages.filter((page) => page.name !== "README.md")) {
    const title = /^# (.+)$/m.exec(text)?.[1];
    assert.ok(index.includes(`[${title ?? ""}](${name})`), name);
    assert.deepEqual(
      [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading),
      ["What you see", "What tandem did", "What to do"],
      name,
    );
  }
});
