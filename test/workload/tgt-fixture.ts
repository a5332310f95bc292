// A real tgtd on loopback for the tests, from the installed package or from Debian's, unpacked under .build/.
// Must never be mistaken for a stand-in: without the real program the tests are skipped with the reason.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const cache = join(root, ".build/cache/tgt-test");
const packages = ["tgt", "libaio1", "libibverbs1", "librdmacm1", "libnl-3-200", "libnl-route-3-200"];

export const targetIqn = "iqn.2026-11.lab.tandem:iscsi1";
export const lun = 10;

export interface Programs {
  readonly tgtd: string;
  readonly tgtadm: string;
  readonly libraries: string;
}

export interface Tgt {
  readonly port: number;
  readonly disk: string;
  /** `parameters` of the target beside the defaults, such as InitialR2T. */
  start(parameters?: Readonly<Record<string, string>>): Promise<void>;
  /** SIGKILL and wait until reaped: tgtd ignores SIGTERM (1.0.85). */
  kill(): Promise<void>;
  /** Stops it in its tracks, connections open: a target that hangs. */
  freeze(): void;
  thaw(): void;
  remove(): Promise<void>;
}

/** The programs, or the sentence why there are none. */
export async function findTgt(): Promise<Programs | string> {
  if (existsSync("/usr/sbin/tgtd")) return { tgtd: "/usr/sbin/tgtd", tgtadm: "/usr/sbin/tgtadm", libraries: "" };
  const tree = join(cache, "root");
  const found: Programs = {
    tgtd: join(tree, "usr/sbin/tgtd"),
    tgtadm: join(tree, "usr/sbin/tgtadm"),
    libraries: `${join(tree, "usr/lib/x86_64-linux-gnu")}:${join(tree, "lib/x86_64-linux-gnu")}`,
  };
  if (existsSync(found.tgtadm)) return found;
  try {
    mkdirSync(cache, { recursive: true });
    await run("apt-get", ["download", ...packages], { cwd: cache, timeout: 60_000 });
    for (const file of readdirSync(cache).filter((name) => name.endsWith(".deb"))) {
      await run("dpkg-deb", ["-x", join(cache, file), tree], { timeout: 20_000 });
    }
    return existsSync(found.tgtadm) ? found : "no tgtd in the package tgt";
  } catch (error) {
    return `no tgtd: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A port nobody listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.on("connect", () => resolve(socket.destroy() !== undefined));
    socket.on("error", () => resolve(false));
  });

export async function createTgt(programs: Programs, diskBytes: number): Promise<Tgt> {
  const dir = mkdtempSync(join(tmpdir(), "tandem-tgt-"));
  const disk = join(dir, "disk.img");
  writeFileSync(disk, "");
  truncateSync(disk, diskBytes);
  const port = await freePort();
  const ownPort = await freePort();
  const env = { ...process.env, TGT_IPC_SOCKET: join(dir, "ipc"), LD_LIBRARY_PATH: programs.libraries };
  let daemon: ChildProcess | undefined;
  // A test that dies half-way must not leave a daemon behind that ignores SIGTERM.
  process.on("exit", () => daemon?.kill("SIGKILL"));
  const admin = async (text: string): Promise<void> => {
    await run(programs.tgtadm, ["--lld", "iscsi", ...text.split(" ")], { env, timeout: 5000 });
  };
  const kill = async (): Promise<void> => {
    const old = daemon;
    daemon = undefined;
    if (!old || old.exitCode !== null || old.signalCode !== null) return;
    await new Promise((resolve) => old.on("exit", resolve).kill("SIGKILL"));
  };
  return {
    port,
    disk,
    kill,
    async start(parameters = {}) {
      // As in production: warm on a private portal, the public one opened when all is configured.
      daemon = spawn(programs.tgtd, ["-f", "--iscsi", `portal=127.0.0.1:${ownPort}`], { env, stdio: "ignore" });
      for (let i = 0; i < 200 && !(await isListening(ownPort)); i++) await sleep(5);
      await admin(`--op new --mode target --tid 1 -T ${targetIqn}`);
      await admin(`--op new --mode logicalunit --tid 1 --lun ${lun} -b ${disk}`);
      // Caching page with WCE off: the write is on the disk when it is acknowledged.
      const cachingPage = "mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0";
      await admin(`--op update --mode logicalunit --tid 1 --lun ${lun} --params ${cachingPage}`);
      for (const [name, value] of Object.entries(parameters)) {
        await admin(`--op update --mode target --tid 1 --name ${name} --value ${value}`);
      }
      await admin("--op bind --mode target --tid 1 -I ALL");
      await admin(`--op new --mode portal --param portal=127.0.0.1:${port}`);
    },
    freeze: () => void daemon?.kill("SIGSTOP"),
    thaw: () => void daemon?.kill("SIGCONT"),
    async remove() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
