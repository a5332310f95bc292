import type { Row } from "../../row.ts";

export const row: Row = {
  section9: ["Reboot without disabling HA"],
  matrix: [16],
  // Under STRICT nothing is proven before the power-off after T_leave, and declare_dead resets them then.
  policies: ["vote", "strict+vote", "witness"],
  faults: [
    { at: 0, kind: "action", host: "a", effect: "xapi-designate", fault: "fails", always: true, ms: 100_000 },
    { at: 500, kind: "vms-end", host: "a", unheard: true },
    // Back long after its word has expired (T_leave), when D7 declares it dead.
    { at: 4_000, kind: "announced-reboot", host: "a", afterMs: 40_000, backMs: 200_000 },
  ],
  settleMs: 280_000,
  expect: { all: { serves: "b", vms: { a: "nowhere", b: "b" }, stallMs: 4_000 } },
};
