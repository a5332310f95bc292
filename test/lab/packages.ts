// What a lab node is made of: Debian packages unpacked beside the machine's own root, the user-mode kernel and its modules.
// Cached by a hash of this recipe; nothing is installed on the machine but the few tools the lab itself calls.

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { cp, lstat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must, runCommand } from "./run-command.ts";
import { PREINIT } from "./guest-files.ts";

/** What the node needs and the machine's own root may lack, with the libraries of each. */
const LAYER_PACKAGES = [
  "drbd-utils tgt open-iscsi libopeniscsiusr libisns0 iproute2 iputils-ping iputils-arping kmod procps psmisc",
  "iptables libip4tc2 libip6tc2 libnftnl11 libnetfilter-conntrack3 libnfnetlink0 libxtables12",
  "libproc2-0 libkmod2 libnl-3-200 libnl-route-3-200 libibverbs1 librdmacm1 libaio1 libwrap0 libbpf1 libelf1 libmnl0",
  "libbsd0 libtirpc3 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 libdb5.3 libncursesw6",
  "libconfig-general-perl libmount1 libsystemd0 libcap2 libcap2-bin openssl libssl3",
].flatMap((line) => line.split(" "));

const HOST_TOOLS: readonly (readonly [tool: string, pkg: string])[] = [
  ["ip", "iproute2"],
  ["bridge", "iproute2"],
  ["tc", "iproute2"],
  ["mkfs.ext4", "e2fsprogs"],
  ["taskset", "util-linux"],
  ["dpkg-deb", "dpkg"],
  ["openssl", "openssl"],
];

export interface Images {
  readonly uml: string;
  readonly layer: string;
  /** A second layer over the first: systemd and rpm, for nodes on which the package is installed. */
  readonly hostLayer?: string;
}

export const cacheRoot = (): string =>
  process.env["TANDEM_LAB_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tandem-lab");

/** Why the lab cannot run here, in one sentence that says what to do; undefined when it can. */
export async function labUnavailable(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "The lab needs root: run it with sudo or as root.";
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  if (!/^ID=debian$/m.test(release) || !/^VERSION_ID="12"$/m.test(release)) {
    const found = /^PRETTY_NAME="(.*)"$/m.exec(release)?.[1] ?? "no /etc/os-release";
    return `The lab needs Debian 12 and found ${found}: run it on a Debian 12 machine, a virtual one will do.`;
  }
  const spaces = await runCommand("unshare", ["--net", "--mount", "true"], { timeoutMs: 5_000 });
  if (spaces.code !== 0)
    return "The lab needs network namespaces, and the kernel refuses them here (unshare --net failed).";
  if (!existsSync("/dev/net/tun")) return "The lab needs /dev/net/tun: load the module with 'modprobe tun'.";
  return undefined;
}

/** Makes the images or finds them in the cache; `progress` is told each step. */
export async function prepareImages(progress: (text: string) => void): Promise<Images> {
  await ensureHostTools(progress);
  // This file is the recipe: a changed step must not find an image that was made without it.
  const recipe = [readFileSync(fileURLToPath(import.meta.url)), PREINIT];
  const dir = await madeOnce(recipe, async (work) => {
    progress("Building the node image (once; about half a minute) …");
    await buildLayer(work, progress);
  });
  return { uml: join(dir, "uml/usr/bin/linux.uml"), layer: join(dir, "layer") };
}

/** The program of Debian's package, for scenarios that ask it. */
export async function prometheusProgram(progress: (text: string) => void): Promise<string> {
  const dir = await madeOnce(["prometheus"], async (work) => {
    progress("Fetching Prometheus (once; 19 MB) …");
    await unpackPackages(["prometheus"], work, join(work, "root"));
  });
  return join(dir, "root/usr/bin/prometheus");
}

/** The folder in the cache that `build` fills, made anew only when the recipe is another one. */
export async function madeOnce(
  recipe: readonly (string | Buffer)[],
  build: (work: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const part of recipe) hash.update(part);
  const dir = join(cacheRoot(), hash.digest("hex").slice(0, 12));
  if (existsSync(join(dir, "complete"))) return dir;
  const work = `${dir}.${process.pid}`;
  dropAbandoned();
  mkdirSync(work, { recursive: true });
  await build(work);
  writeFileSync(join(work, "complete"), "");
  try {
    renameSync(work, dir);
  } catch (error) {
    // Another lab made the same image meanwhile, and nodes may run from it already: that one stays.
    if (!existsSync(join(dir, "complete"))) throw error;
    rmSync(work, { recursive: true, force: true });
  }
  return dir;
}

/** Half-made images whose maker is gone. */
function dropAbandoned(): void {
  mkdirSync(cacheRoot(), { recursive: true });
  for (const name of readdirSync(cacheRoot())) {
    const maker = /^[0-9a-f]{12}\.(\d+)$/.exec(name)?.[1];
    if (maker === undefined || existsSync(`/proc/${maker}`)) continue;
    rmSync(join(cacheRoot(), name), { recursive: true, force: true });
  }
}

async function ensureHostTools(progress: (text: string) => void): Promise<void> {
  const missing: string[] = [];
  for (const [tool, pkg] of HOST_TOOLS) {
    const found = await runCommand("sh", ["-c", `command -v ${tool}`]);
    if (found.code !== 0) missing.push(pkg);
  }
  if (missing.length === 0) return;
  progress(`Installing ${[...new Set(missing)].join(", ")} …`);
  await must("apt-get", ["update", "-qq"], { timeoutMs: 300_000 });
  await must("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...new Set(missing)], {
    timeoutMs: 300_000,
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
}

async function buildLayer(work: string, progress: (text: string) => void): Promise<void> {
  const layer = join(work, "layer");
  progress("  fetching and unpacking Debian packages …");
  await unpackPackages(["user-mode-linux"], work, join(work, "uml"));
  await unpackPackages(LAYER_PACKAGES, work, layer);
  progress("  kernel modules …");
  const modules = join(work, "uml/usr/lib/uml/modules");
  const [version] = readdirSync(modules);
  if (version === undefined) throw new Error("The package user-mode-linux holds no kernel modules");
  await cp(join(modules, version), join(layer, "usr/lib/modules", version), { recursive: true });
  // depmod wants /lib/modules below its base; the layer is usr-merged, so give it a view of its own.
  const view = join(work, "view");
  mkdirSync(join(view, "lib"), { recursive: true });
  symlinkSync(join(layer, "usr/lib/modules"), join(view, "lib/modules"));
  symlinkSync(join(layer, "usr/bin/kmod"), join(work, "depmod"));
  await must(join(work, "depmod"), ["-b", view, version], { env: libraries(layer) });
  mkdirSync(join(layer, "lab"));
  // What Debian's alternatives would set up on installation; a dom0 has the legacy tables.
  symlinkSync("xtables-legacy-multi", join(layer, "usr/sbin/iptables"));
  // kmod is told by its name what to be.
  symlinkSync("../usr/bin/kmod", join(layer, "lab/insmod"));
  writeFileSync(join(layer, "lab/preinit"), PREINIT, { mode: 0o755 });
}

/** Fetches Debian packages and unpacks them into the folder `into`, laid out as Debian 12's own root. */
export async function unpackPackages(names: readonly string[], work: string, into: string): Promise<void> {
  const debs = join(work, "debs");
  mkdirSync(debs, { mode: 0o755 });
  mkdirSync(into);
  const download = ["download", "-qq", ...names];
  const first = await runCommand("apt-get", download, { cwd: debs, timeoutMs: 300_000 });
  if (first.code !== 0) {
    await must("apt-get", ["update", "-qq"], { timeoutMs: 300_000 });
    await must("apt-get", download, { cwd: debs, timeoutMs: 300_000 });
  }
  for (const file of readdirSync(debs).filter((name) => name.endsWith(".deb")))
    await must("dpkg-deb", ["-x", join(debs, file), into]);
  rmSync(debs, { recursive: true, force: true });
  await mergeUsr(into);
}

const libraries = (layer: string): Record<string, string> => ({
  LD_LIBRARY_PATH: `${layer}/usr/lib/x86_64-linux-gnu:${layer}/lib/x86_64-linux-gnu`,
});

/** Debian 12 merged /bin, /sbin and /lib into /usr; packages still carry the old places. */
async function mergeUsr(layer: string): Promise<void> {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    const old = join(layer, name);
    if (!existsSync(old) || (await lstat(old)).isSymbolicLink()) continue;
    await cp(old, join(layer, "usr", name), { recursive: true, verbatimSymlinks: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}
