// `npm run rpm`: lays out the files and packs them with rpmbuild; same input, same bytes.

import { execFileSync } from "node:child_process";
import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { protocolVersion } from "../src/drivers/peer/frame.ts";
import { packageVersion, root } from "../test/build.ts";
import { fillStage } from "./stage.ts";

const help = `Usage: npm run rpm -- [--out DIR] [--release N] [--sign KEY] [--quick]

Builds the package of tandem for a dom0 (x86_64) from this checkout.

  --out DIR     where the package goes (default .build/rpm)
  --release N   release number of the package (default 1)
  --sign KEY    sign it with this key of the GnuPG of this account
  --quick       light compression: for tests, not for people
`;

/** Program → Debian's package. */
const TOOLS: Readonly<Record<string, string>> = {
  rpmbuild: "rpm",
  rpmsign: "rpm",
  patchelf: "patchelf",
  strip: "binutils",
  xz: "xz-utils",
};

export interface RpmOptions {
  readonly out: string;
  readonly release: string;
  readonly quick: boolean;
  readonly key?: string | undefined;
  readonly progress: (text: string) => void;
}

/** Names of Debian packages that are missing here. */
export function missingTools(): readonly string[] {
  const paths = (process.env["PATH"] ?? "").split(":");
  const found = (tool: string): boolean =>
    paths.some((path) => statSync(join(path, tool), { throwIfNoEntry: false })?.isFile() === true);
  return [...new Set(Object.entries(TOOLS).flatMap(([tool, pkg]) => (found(tool) ? [] : [pkg])))];
}

/** The time of the newest commit; of package.json outside of a clone. Seconds since 1970. */
function sourceEpoch(): number {
  try {
    const text = execFileSync("git", ["-C", root, "log", "-1", "--format=%ct"], { encoding: "utf8" });
    return Number(text.trim());
  } catch {
    return Math.floor(statSync(join(root, "package.json")).mtimeMs / 1000);
  }
}

/** Builds the package and returns its path. Throws with the failing tool's words. */
export async function buildRpm({ out, release, quick, key, progress }: RpmOptions): Promise<string> {
  const missing = missingTools();
  if (missing.length > 0)
    throw new Error(`Cannot build the package: install ${missing.join(", ")} (apt-get install ${missing.join(" ")})`);
  const epoch = sourceEpoch();
  const work = mkdtempSync(join(tmpdir(), "tandem-rpm-"));
  try {
    progress("Laying out the files …");
    const stage = join(work, "stage");
    await fillStage(stage, { version: packageVersion(), epoch });
    for (const empty of ["var/lib/tandem", "var/lib/tandem-witness", "var/log/tandem", "var/cache/tandem"])
      mkdirSync(join(stage, empty), { recursive: true });
    progress(quick ? "Packing …" : "Packing (half a minute) …");
    const defines: Readonly<Record<string, string>> = {
      tandem_version: packageVersion(),
      tandem_release: release,
      peer_protocol: String(protocolVersion),
      stage,
      scriptlets: join(root, "rpm/scriptlets"),
      payload: quick ? "w1.gzdio" : "w6.xzdio",
      _topdir: join(work, "top"),
      _buildhost: "tandem",
      use_source_date_epoch_as_buildtime: "1",
      clamp_mtime_to_source_date_epoch: "1",
      source_date_epoch_from_changelog: "0",
      // Algorithms that rpm 4.11 can check.
      _source_filedigest_algorithm: "8",
      _binary_filedigest_algorithm: "8",
    };
    const args = Object.entries(defines).flatMap(([name, value]) => ["--define", `${name} ${value}`]);
    run("rpmbuild", ["-bb", "--quiet", "--target", "x86_64", ...args, join(root, "rpm/tandem.spec")], {
      SOURCE_DATE_EPOCH: String(epoch),
    });
    const built = globSync(join(work, "top/RPMS/x86_64/*.rpm"))[0];
    if (built === undefined) throw new Error("Cannot build the package: rpmbuild made none");
    if (key !== undefined) sign(built, key);
    mkdirSync(out, { recursive: true });
    const target = join(out, basename(built));
    copyFileSync(built, target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** rpm's own macro names gpg2 on some systems and a path on others; the gpg of this account's PATH is meant. */
function sign(built: string, key: string): void {
  const gpg = (process.env["PATH"] ?? "").split(":").map((path) => join(path, "gpg"));
  const found = gpg.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
  if (found === undefined) throw new Error("Cannot sign the package: install gnupg (apt-get install gnupg)");
  run("rpmsign", ["--define", `__gpg ${found}`, "--define", `_gpg_name ${key}`, "--addsign", built], {});
}

function run(file: string, args: readonly string[], env: Readonly<Record<string, string>>): void {
  try {
    execFileSync(file, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr ?? String(error);
    throw new Error(`Cannot build the package: ${file} failed\n${said.trim().split("\n").slice(-15).join("\n")}`, {
      cause: error,
    });
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: "string", default: join(root, ".build/rpm") },
        release: { type: "string", default: "1" },
        sign: { type: "string" },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(help);
    } else {
      const progress = (text: string): void => console.error(text);
      const { out, release, quick, sign } = values;
      const path = await buildRpm({ out: resolve(out), release, quick, key: sign, progress });
      console.log(`${path}  ${(statSync(path).size / 1e6).toFixed(1)} MB`);
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
