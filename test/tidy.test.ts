// Holds the structure: which room may import which, what the core may not do, and that no path or host of a developer's
// machine is in the tree.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { VERSION } from "../src/report/version.ts";
import { entries, packageVersion } from "./build.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly npm: boolean;
}

const sources = globSync("src/**/*.ts", { cwd: root }).toSorted();
const text = (file: string): string => readFileSync(join(root, file), "utf8");
const imports: readonly Import[] = sources.flatMap((file) =>
  [...text(file).matchAll(/(?:from|import\(|import)\s*"([^"\n]+)"/g)].map(([, spec = ""]) => {
    const local = spec.startsWith(".");
    return { from: file, to: local ? relative(root, join(root, dirname(file), spec)) : spec, npm: !local };
  }),
);

/** Room → the rooms it must never look up to. */
const forbidden: readonly (readonly [from: RegExp, to: RegExp, why: string])[] = [
  [/^src\/(core|util)\//, /^src\/(?!core\/|util\/)/, "the core imports only core and util"],
  [/^src\/util\//, /^src\/core\//, "util imports nothing"],
  [/^src\/drivers\/[^/]+\/port\.ts$/, /^src\/(?!core\/model\/|util\/|drivers\/)/, "a port knows the model only"],
  [/^src\/drivers\//, /^src\/(act|daemon|cli|bin)\//, "a driver never looks up"],
  [/^src\/act\//, /^src\/(daemon|cli|bin)\//, "the hands never look up"],
  [/^src\/config\//, /^src\/(act|daemon|cli|bin)\//, "configuration never looks up"],
  [/^src\/witness\//, /^src\/(act|daemon|cli|bin)\//, "the witness is a program of its own"],
  [/^src\/(core|drivers|act|config|cli|daemon)\//, /^src\/witness\//, "nothing of a host imports the witness"],
  [/^src\/metrics\//, /^src\/(act|daemon|cli|bin|witness)\//, "the exporter is a program of its own"],
  [/^src\/(core|drivers|act|config|cli|daemon|witness)\//, /^src\/metrics\//, "only a program imports the exporter"],
  [/^src\/setup\//, /^src\/(daemon|cli|bin)\//, "a setup works without the daemon, and is called by the tools"],
  [/^src\/(core|drivers|act|config|daemon)\//, /^src\/setup\//, "the daemon does not set hosts up"],
  [/^src\/report\//, /^src\/(act|daemon|cli|bin|drivers)\//, "reporting never looks up"],
  [/^src\/cli\//, /^src\/(act|daemon|bin)\//, "the tools talk to the daemon by its socket"],
  [/^src\/fence-agents\//, /^src\/(?!fence-agents\/|util\/)/, "a fence agent is a program of its own"],
  [/^src\//, /^test\//, "production never loads a fake"],
];

test("imports point one way", () => {
  const wrong = imports.flatMap(({ from, to }) =>
    forbidden.filter(([a, b]) => a.test(from) && b.test(to)).map(([, , why]) => `${from} imports ${to}: ${why}`),
  );
  assert.deepEqual(wrong, []);
});

test("every module belongs to a program: what only tests call is no part of the product", () => {
  const reached = new Set(Object.values(entries).filter((file) => file.startsWith("src/")));
  // What a set gets while it is walked through is walked through too.
  for (const file of reached) for (const { from, to, npm } of imports) if (from === file && !npm) reached.add(to);
  assert.deepEqual(
    sources.filter((file) => !reached.has(file)),
    [],
  );
});

test("every dependency is used, and so is what the package says that it carries", () => {
  const { dependencies } = JSON.parse(text("package.json")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const used = new Set(imports.filter(({ npm }) => npm).map(({ to }) => to.split("/")[0]));
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => !used.has(name)),
    [],
  );
});

/** Each room of the daemon knows the ones before it; the composition roots above them all know every one. */
const DAEMON_ROOMS = [
  ...(["brain", "alerts", "history", "settings", "readiness", "storage"] as const),
  ...(["vms", "pool", "status", "requests", "member"] as const),
];
/** Of the roots' own floor only what stands alone, and the type of the drivers that they made. */
const FLOOR = /^src\/daemon\/(in-step|paths|drivers|beginning)\.ts$/;

test("the daemon's rooms point one way", () => {
  const roomOf = (file: string): string | undefined => /^src\/daemon\/([^/]+)\//.exec(file)?.[1];
  const rank = (room: string): number => DAEMON_ROOMS.findIndex((one) => one === room);
  const strange = sources.map(roomOf).filter((room) => room !== undefined && rank(room) < 0);
  assert.deepEqual(strange, [], "a new room has its place in the order");
  const wrong = imports.filter(({ from, to }) => {
    const room = roomOf(from);
    if (room === undefined || !to.startsWith("src/daemon/")) return false;
    const other = roomOf(to);
    return other === undefined ? !FLOOR.test(to) : rank(other) > rank(room);
  });
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

test("an npm package has one home", () => {
  const homes: Readonly<Record<string, RegExp>> = {
    execa: /^src\/drivers\/exec\//,
    pino: /^src\/report\//,
    chokidar: /^src\/config\//,
    yaml: /^src\/config\//,
    commander: /^src\/cli\//,
    ink: /^src\/cli\/iscsi-cfg\/status\/live\//,
    react: /^src\/cli\/iscsi-cfg\/status\/live\//,
    ssh2: /^src\/fence-agents\//,
    nodemailer: /^src\/drivers\/notify\//,
    "prom-client": /^src\/metrics\//,
  };
  const wrong = imports.filter(({ from, to, npm }) => npm && homes[to] !== undefined && !homes[to].test(from));
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

test("the core has no clock, no randomness, no waiting and no package", () => {
  const banned = /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\basync\b|\bawait\b|\bsetTimeout\b|\bprocess\./;
  const wrong = sources
    .filter((file) => /^src\/(core|util)\//.test(file))
    .flatMap((file) =>
      text(file)
        .split("\n")
        .flatMap((line, i) => (!/^\s*(\/\/|\*|\/\*)/.test(line) && banned.test(line) ? [`${file}:${i + 1}`] : [])),
    );
  assert.deepEqual(wrong, []);
  const packages = imports.filter(({ from, npm }) => npm && /^src\/(core|util)\//.test(from));
  assert.deepEqual(packages, []);
});

test("a source file has one job: fewer than 400 lines", () => {
  const long = sources.filter((file) => text(file).split("\n").length > 400);
  assert.deepEqual(long, []);
});

test("the program and its package say the same version", () => {
  assert.equal(VERSION, packageVersion());
});

test("only the agreed folders and documents stand at the top", () => {
  const allowed = new Set(["src", "agents", "conf", "rpm", "systemd", "test", "node_modules"]);
  const found = new Set(
    globSync("*/*", { cwd: root })
      .map((path) => path.split("/")[0] ?? "")
      .filter((name) => !name.startsWith(".")),
  );
  assert.deepEqual(
    [...found].filter((name) => !allowed.has(name)),
    [],
  );
});
