// Bundles the programs for the lab and the package: one self-contained file each, because stripping types at start costs
// seconds in a lab node. Quick enough to run before every start.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions, type Plugin } from "esbuild";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const distDir = join(root, ".build/dist");

/** Program -> its first module. */
export const entries: Readonly<Record<string, string>> = {
  tandemd: "src/bin/tandemd.ts",
  "ha-cfg": "src/bin/ha-cfg.ts",
  "iscsi-cfg": "src/bin/iscsi-cfg.ts",
  dashboard: "src/cli/iscsi-cfg/status/live/run.ts",
  "xapi-plugin": "src/bin/xapi-plugin.ts",
  "fence-agent": "src/bin/fence-agent.ts",
  tandem: "src/bin/tandem.ts",
  "watchdog-holder": "src/bin/watchdog-holder.ts",
  "brain-worker": "src/daemon/brain/brain-worker.ts",
  nodemailer: "src/drivers/notify/nodemailer.ts",
  "xapi-sim": "test/xapi-sim/main.ts",
  vm: "test/workload/vm.ts",
  verify: "test/workload/verify.ts",
  "node-agent": "test/lab/guest/agent.ts",
};

/**
 * What this program imports late is in files of its own: a restarted daemon has its brain beat before the rest of it is
 * read (A7).
 */
const IN_PARTS = "tandemd";

/** A module that has a bundle of its own and is imported late stays out of the bundle that imports it: text costs memory too. */
const apart: Plugin = {
  name: "apart",
  setup(building) {
    building.onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      const file = relative(root, join(resolveDir, path));
      const name = Object.keys(entries).find((one) => entries[one] === file);
      return kind === "dynamic-import" && name !== undefined ? { path: `./${name}.mjs`, external: true } : undefined;
    });
  },
};

/** Ink imports a debugger that is not installed. */
const noDevtools: Plugin = {
  name: "no-devtools",
  setup(building) {
    building.onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: "empty" }));
    building.onLoad({ filter: /.*/, namespace: "empty" }, () => ({ contents: "export default null" }));
  },
};

/**
 * Imported as an ES module, a part of Node is asked for everything it exports, and so loads what it would load late:
 * node:http the fetch and the WebSocket (4 MB), node:util the comparer of assert and the terminal's colours. Asked for as
 * an object it gives what is used. Each name stands by itself, so that a bundle has those that it uses and no others:
 * the object taken as a CommonJS module is wrapped once more for each file that imports it, in a getter for each of its
 * names, which were 9,600 functions and 2 MB of the daemon.
 */
const plainBuiltins: Plugin = {
  name: "plain-builtins",
  setup(building) {
    building.onResolve({ filter: /^(node:)?[a-z_/0-9]+$/ }, ({ kind, path }) =>
      kind === "import-statement" && isBuiltin(path) ? { path, namespace: "builtin" } : undefined,
    );
    building.onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({ contents: namesOf(path) }));
  },
};

/** A module that has the same names as this part of Node, each of which esbuild leaves out where nothing imports it. */
function namesOf(builtin: string): string {
  const names = Object.keys(process.getBuiltinModule(builtin) ?? {}).filter((name) => /^[a-z_$][\w$]*$/i.test(name));
  const picked = names
    .filter((name) => name !== "default")
    .map((name) => `const its_${name} = /* @__PURE__ */ (() => all.${name})(); export { its_${name} as ${name} };`);
  const all = `const all = /* @__PURE__ */ process.getBuiltinModule(${JSON.stringify(builtin)});`;
  return [all, "export default all;", ...picked].join("\n");
}

/** Builds what exists (or `only` that); returns the bundles' names. Throws with esbuild's own words when one does not compile. */
export async function buildAll(only: readonly string[] = Object.keys(entries)): Promise<readonly string[]> {
  mkdirSync(distDir, { recursive: true });
  const present = Object.entries(entries).filter(([name, file]) => only.includes(name) && existsSync(join(root, file)));
  const whole = present.filter(([name]) => name !== IN_PARTS);
  const parts = present.filter(([name]) => name === IN_PARTS);
  return [
    ...(await bundle(whole, {})),
    ...(await bundle(parts, { splitting: true, chunkNames: `${IN_PARTS}-[hash]` })),
  ];
}

/** Writes the bundles of these programs; returns the names of all files without their ends. */
async function bundle(
  programs: readonly (readonly [name: string, file: string])[],
  options: Pick<BuildOptions, "splitting" | "chunkNames">,
): Promise<readonly string[]> {
  if (programs.length === 0) return [];
  const { outputFiles } = await build({
    ...options,
    write: false,
    absWorkingDir: root,
    entryPoints: Object.fromEntries(programs),
    outdir: distDir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node26",
    logLevel: "error",
    // What ssh2 uses when a compiler was there at install; the same in JavaScript is always there.
    external: ["*.node", "cpu-features"],
    plugins: [apart, noDevtools, plainBuiltins],
    // React has a second body for its developers, with other names and three times the text.
    define: { "process.env.NODE_ENV": '"production"' },
    // Read and compiled at every start, in a node where that costs seconds; names stay for the sake of stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    // CommonJS packages inside an ES module still ask for require and __dirname.
    banner: {
      js: 'import{createRequire as __cr}from"node:module";import{dirname as __dn}from"node:path";import{fileURLToPath as __fu}from"node:url";const require=__cr(import.meta.url),__filename=__fu(import.meta.url),__dirname=__dn(__filename);',
    },
  });
  for (const { path, contents } of outputFiles) replaceFile(path, contents);
  return outputFiles.map(({ path }) => basename(path, ".mjs"));
}

/** At once, and only when it differs: nodes of a running lab read these files, and two labs may build at the same time. */
function replaceFile(path: string, contents: Uint8Array): void {
  if (existsSync(path) && readFileSync(path).equals(contents)) return;
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, contents);
  renameSync(fresh, path);
}

/** The version in package.json, for the check that the program says the same. */
export const packageVersion = (): string => {
  const parsed = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  return parsed.version;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = await buildAll();
  console.log(`${names.length} programs in .build/dist: ${names.join(", ")}`);
}
