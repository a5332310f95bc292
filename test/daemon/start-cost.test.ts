// What makes a restart of the daemon slow and no test of behaviour sees: until the brain beats nobody feeds the watchdog (A7).

import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";
import { root } from "../build.ts";

test("before the brain beats nothing is loaded that only the hands need", async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["src/bin/tandemd.ts"],
    outdir: ".build/none",
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    external: ["*.node"],
  });
  const loaded = new Set<string>();
  const follow = (output: string): void => {
    if (loaded.has(output)) return;
    loaded.add(output);
    for (const { kind, path } of metafile.outputs[output]?.imports ?? []) {
      if (kind === "import-statement" && path in metafile.outputs) follow(path);
    }
  };
  follow(".build/none/tandemd.js");
  const files = new Set([...loaded].flatMap((output) => Object.keys(metafile.outputs[output]?.inputs ?? {})));
  assert.ok(files.has("src/daemon/first-beats.ts") && files.has("src/daemon/beginning.ts"));
  const late = [...files].filter((file) =>
    /^src\/(act|drivers\/(exec|drbd|xapi|vip))\/|daemon\/run|\/chokidar\//.test(file),
  );
  assert.deepEqual(late, []);
});
