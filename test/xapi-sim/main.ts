/** The simulated xapi as a program: one per lab node, or two on loopback by hand. Reads argv and wires, nothing more. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { createProcessHypervisor } from "./hypervisor-process.ts";
import { DOM0_PATHS, type Timings } from "./options.ts";
import { createPortalStorage, startXapi } from "./start.ts";
import type { Seed } from "./seed.ts";

interface Flags {
  readonly root: string;
  readonly seed?: string;
  readonly host?: string;
  readonly address?: string;
  readonly listen: string;
  readonly httpPort: string;
  readonly httpsPort: string;
  readonly password: string;
  readonly vm: string;
  readonly domains: string;
  readonly vmLogs: string;
  readonly timings: string;
  readonly gate: string;
  readonly poweroffCommand: string;
  readonly rebootCommand: string;
}

const program = new Command("xapi-sim")
  .description("A simulated xapi. Its role is that of ROOT/etc/xensource/pool.conf.")
  .option("--root <dir>", "prefix of every file of dom0", "")
  .option("--seed <file>", "JSON of the first database (types: seed.ts); used when no state.db exists")
  .option("--host <uuid>", "this host (else INSTALLATION_UUID of the inventory)")
  .option("--address <ip>", "management address (else that of the host in the seed)")
  .option("--listen <ip>", "address the TCP sockets listen on", "0.0.0.0")
  .option("--http-port <port>", "plain http", "80")
  .option("--https-port <port>", "https, also used between hosts", "443")
  .option("--password <text>", "root's password for logins over TCP", "lab")
  .option("--vm <program>", "program of a VM, run by this node", "/opt/tandem/vm.mjs")
  .option("--domains <dir>", "where the running domains are noted", "/run/lab-domains")
  .option("--vm-logs <dir>", "output and state of VM processes", "/var/log/lab-vms")
  .option("--timings <json>", 'other waits in ms, for example {"fuseMs":1000}', "{}")
  .option("--gate <v1|v2>", "envelope of emergency errors: v1 as XCP-ng 8.2, v2 as 8.3", "v2")
  .option("--poweroff-command <line>", "what host.shutdown runs", "poweroff -f")
  .option("--reboot-command <line>", "what host.reboot runs", "reboot -f");

const inventoryUuid = (root: string): string => {
  const path = `${root}/etc/xensource-inventory`;
  const match = /^INSTALLATION_UUID='?([^'\n]+)'?$/m.exec(readFileSync(path, "utf8"));
  if (!match?.[1])
    throw new Error(`Cannot tell this host: found no INSTALLATION_UUID in ${path}, expected one (or --host)`);
  return match[1];
};

const main = async (): Promise<void> => {
  const flags = program.parse().opts<Flags>();
  const { root } = flags;
  const seed = flags.seed === undefined ? undefined : (JSON.parse(readFileSync(flags.seed, "utf8")) as Seed);
  const hostUuid = flags.host ?? inventoryUuid(root);
  const address = flags.address ?? seed?.hosts.find((host) => host.uuid === hostUuid)?.address;
  if (address === undefined)
    throw new Error(`Cannot tell the address of host ${hostUuid}: give --address or a seed with it`);
  const paths = Object.fromEntries(Object.entries(DOM0_PATHS).map(([key, path]) => [key, root + path]));
  const running = await startXapi({
    hostUuid,
    address,
    listenAddress: flags.listen,
    unixPath: `${root}/var/lib/xcp/xapi`,
    httpPort: Number(flags.httpPort),
    httpsPort: Number(flags.httpsPort),
    paths: { ...DOM0_PATHS, ...paths },
    rootPassword: flags.password,
    ...(seed ? { seed } : {}),
    hypervisor: createProcessHypervisor({
      folder: flags.domains,
      command: [process.execPath, flags.vm],
      logFolder: flags.vmLogs,
    }),
    storage: createPortalStorage(),
    timings: JSON.parse(flags.timings) as Partial<Timings>,
    gateEnvelope: flags.gate === "v1" ? "v1" : "v2",
    log: (line) => console.error(`${new Date().toISOString()} xapi-sim: ${line}`),
    power: (kind) => {
      const line = kind === "reboot" ? flags.rebootCommand : flags.poweroffCommand;
      spawn("sh", ["-c", `sleep 1; ${line}`], { detached: true, stdio: "ignore" }).unref();
    },
  });
  const end = (): void => {
    void running.kill().then(() => process.exit(0));
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
};

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
