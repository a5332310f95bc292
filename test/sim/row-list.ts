// Every row that a scenario is demanded for: protocol.md 9 by its first column, the matrix of 42 by number; and those that no
// row in the simulator can stand for, with the test that does.

export const SECTION9: readonly string[] = [
  "Master power loss",
  "Slave power loss",
  "Mgmt link loss on master",
  "Mgmt link loss on slave",
  "Replication link loss",
  "... then master dies",
  "Both links, master side",
  "Both links, slave side",
  "Switch/gateway dead, repl ok",
  "Switch dead + repl dead",
  "Switch dead, then master dies",
  "dom0 hang > lease, wakes up",
  "Daemon hang/crash, kernel fine",
  "xapi hang",
  "Reboot without disabling HA",
  "Both off, one returns",
  "tgtd crash",
  "DRBD split brain found",
  "Local disk failure on owner",
  "Resync running, owner dies",
  "VIP answered by another MAC",
  "Heuristic IP dead for long",
  "S->M packets lost only",
  "M->S packets lost only",
  "Wall clock jump / NTP step",
  "Suspend/pause of the host",
  "Operator disables HA while peer is down",
];

export const MATRIX_ROWS = 42;

/** Rows of the matrix about parts that the decision on the storage does not see. */
export const TESTED_ELSEWHERE: Readonly<Record<number, { readonly what: string; readonly file: string }>> = {
  6: {
    what: "one switch, no storage of ours: nobody is reset (three hosts; two have no majority and refuse to start)",
    file: "test/sim/pool/rows.test.ts",
  },
  15: { what: "slow xe calls: every call of xapi has its own deadline", file: "test/drivers/xapi/client.test.ts" },
  36: {
    what: "an empty or broken configuration: the last good copy, disarmed",
    file: "test/config/local-file.test.ts",
  },
  40: {
    what: "an address of a host changes: its links are lost (the rows of those) and that host tells which address it lacks",
    file: "test/daemon/readiness/health.test.ts",
  },
  38: { what: "a VM started by hand, or moving, during a failover", file: "test/act/pool/start-vm.test.ts" },
  42: {
    what: "an update pulls a kernel without DRBD's module, or with another DRBD: told before the reboot",
    file: "test/daemon/requests/next-boot.test.ts",
  },
  39: { what: "memory short on the survivor", file: "test/core/decide/vms/capacity.test.ts" },
};
