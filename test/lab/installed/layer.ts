// The second layer of a node on which the package is installed: Debian's systemd as PID 1 and rpm, over the first layer. Only
// the units that a host's life needs; the machine's own ones and their generators are out of sight.

import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { madeOnce, unpackPackages } from "../packages.ts";

const PACKAGES = [
  "systemd libsystemd-shared libsystemd0 libacl1 libapparmor1 libaudit1 libcap-ng0 libblkid1 libmount1 libcap2 libcrypt1",
  "libcryptsetup12 libfdisk1 libgcrypt20 libgpg-error0 libip4tc2 libkmod2 liblz4-1 liblzma5 libpam0g libseccomp2 libselinux1",
  "libpcre2-8-0 libzstd1 libp11-kit0",
  "rpm rpm-common rpm2cpio librpm9 librpmio9 librpmbuild9 librpmsign9 liblua5.3-0 libpopt0 libsqlite3-0 libbz2-1.0 zlib1g",
].flatMap((line) => line.split(" "));

const TARGETS =
  "basic emergency final halt local-fs local-fs-pre multi-user network network-online network-pre paths poweroff reboot rescue shutdown slices sockets swap sysinit timers umount";
const SERVICES = "systemd-journald systemd-poweroff systemd-reboot systemd-halt";
const SOCKETS = "systemd-journald systemd-journald-dev-log";

/** Where the units lie in the node before they are mounted over /usr/lib/systemd/system. */
export const UNITS = "/lab/units";

export async function prepareHostLayer(progress: (text: string) => void): Promise<string> {
  const recipe = [readFileSync(fileURLToPath(import.meta.url))];
  const dir = await madeOnce(recipe, async (work) => {
    progress("Building the image of a host with systemd (once) …");
    const layer = join(work, "layer");
    await unpackPackages(PACKAGES, work, layer);
    const from = join(layer, "usr/lib/systemd/system");
    const to = join(layer, UNITS);
    mkdirSync(join(to, "sockets.target.wants"), { recursive: true });
    const take = (kind: string, names: string): void => {
      for (const name of names.split(" ")) cpSync(join(from, `${name}.${kind}`), join(to, `${name}.${kind}`));
    };
    take("target", TARGETS);
    take("service", SERVICES);
    take("socket", SOCKETS);
    for (const name of SOCKETS.split(" "))
      symlinkSync(`../${name}.socket`, join(to, "sockets.target.wants", `${name}.socket`));
    symlinkSync("multi-user.target", join(to, "default.target"));
    // What Debian enables for a machine of its own, and rpm's own macros of a machine that builds packages, stay out.
    for (const path of ["etc/systemd", "usr/lib/systemd/system-generators"])
      rmSync(join(layer, path), { recursive: true, force: true });
  });
  return join(dir, "layer");
}
