// The text files of a node on which the package is installed: systemd as PID 1, and what a dom0 has beside the package.

import { agentCommand, firstSteps } from "../guest-files.ts";
import type { NodeName } from "../names.ts";
import { UNITS } from "./layer.ts";

const ETC_UNITS = "/lab/etc-systemd";

function init(node: NodeName): string {
  return `${firstSteps(node)}# Units and generators of the machine below are not this host's. These folders are on the node's own disk: rpm writes there.
mkdir -p ${ETC_UNITS} /etc/systemd/system
mount --bind ${UNITS} /usr/lib/systemd/system; mount --bind ${ETC_UNITS} /etc/systemd/system
for dir in /usr/lib/systemd/system-generators /etc/systemd/system-generators /usr/lib/systemd/system-environment-generators; do
  [ ! -d $dir ] || mount -t tmpfs tmpfs $dir
done
# The jumbo frames of the replication link need pages that lie together: none were left after an update (seen), and the link was dead.
echo 65536 > /proc/sys/vm/min_free_kbytes
exec /usr/lib/systemd/systemd
`;
}

/** A word on the node's console, which its machine keeps: what a host writes in its last second is on no disk. */
const tell = (what: string): string => `echo "<2>lab: ${what}" > /dev/kmsg`;

/** The lines that `stopOrder` looks for. */
export const STOPS = {
  tandemd: "tandemd has stopped",
  xapi: "xapi begins to stop",
  network: "the network begins to stop",
};

/** After the lab's agent: the network goes away at the end of a shutdown, after everything that is ordered behind it. */
const NETWORK = `[Unit]
Description=The node's networks (stands for a dom0's xcp-networkd)
DefaultDependencies=no
Before=network.target
Conflicts=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c '${tell(STOPS.network)}; ip link set mgmt down; ip link set repl down'
`;

const agent = (command: string): string => `[Unit]
Description=The lab's agent
DefaultDependencies=no
[Service]
ExecStart=${command}
# What it started for a command, an initiator's daemon for example, is the host's and not its own.
KillMode=process
SendSIGKILL=no
`;

/** As dom0's: Type=simple, and the VMs, which are no processes of a dom0, outlive it. */
const xapi = (command: string): string => `[Unit]
Description=XAPI, simulated
After=network.target xcp-networkd.service
[Service]
ExecStart=${command}
ExecStop=/bin/sh -c '${tell(STOPS.xapi)}'
Environment=MALLOC_ARENA_MAX=1 NODE_COMPILE_CACHE=/var/cache/lab
Restart=always
RestartSec=250ms
KillMode=process
StandardOutput=append:/var/log/lab/xapi.log
StandardError=append:/var/log/lab/xapi.log
`;

export interface InstalledFiles {
  readonly node: NodeName;
  readonly dist: string;
  readonly nodeBinary: string;
  readonly xapiCommand: readonly string[];
}

/** Path → text. */
export function installedFiles({ node, dist, nodeBinary, xapiCommand }: InstalledFiles): ReadonlyMap<string, string> {
  return new Map([
    ["/lab/init", init(node)],
    [`${UNITS}/xcp-networkd.service`, NETWORK],
    [`${UNITS}/lab-agent.service`, agent(agentCommand(node, dist, nodeBinary))],
    [`${UNITS}/xapi.service`, xapi(xapiCommand.join(" "))],
    [`${UNITS}/tandemd.service.d/lab.conf`, `[Service]\nExecStopPost=/bin/sh -c '${tell(STOPS.tandemd)}'\n`],
    [`${UNITS}/multi-user.target.d/lab.conf`, "[Unit]\nWants=xcp-networkd.service lab-agent.service xapi.service\n"],
    ["/lab/services.json", JSON.stringify(["xapi", "tandemd"].map((name) => ({ name, unit: `${name}.service` })))],
    ["/var/log/lab/.keep", ""],
    // Not empty, else systemd takes the start for a machine's first one and enables what it likes.
    ["/etc/machine-id", `${node === "xcp1" ? "1" : "2"}`.repeat(32) + "\n"],
    ["/etc/fstab", ""],
    // The line that stands for the watchdog is the daemon's alone.
    ["/etc/systemd/system.conf", "[Manager]\nRebootWatchdogSec=0\nShowStatus=no\n"],
    [
      "/etc/systemd/journald.conf",
      "[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\nReadKMsg=no\nAudit=no\nForwardToSyslog=no\n",
    ],
    // A data base of its own: what the machine below has installed is not installed on this host.
    ["/etc/rpm/macros", "%_dbpath /var/lib/lab-rpm\n"],
  ]);
}
