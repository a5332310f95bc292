// The situations the dashboard is tested in, shared by the goldens and by whoever wants to look at them in a terminal.

import type { DashboardView } from "../../../src/cli/iscsi-cfg/render.ts";
import { healthyStatus, ownHost, sampleWallMs, statusWith } from "../../drivers/control/status-sample.ts";

const view = ownHost.resources[0]?.view ?? null;
const resource = (
  changes: Partial<NonNullable<typeof view>>,
  more: object = {},
): (typeof ownHost.resources)[number] => ({
  name: "iscsi1",
  view: view && { ...view, ...changes },
  why: null,
  solo: false,
  etaSeconds: null,
  ...more,
});

export interface Situation {
  readonly view: DashboardView;
  readonly now: number;
}

export const situations: Readonly<Record<string, Situation>> = {
  serving: { view: { kind: "live", status: healthyStatus }, now: sampleWallMs },
  episode: {
    // The very moment of the document: the figures stand as they are.
    now: healthyStatus.wallMs,
    view: {
      kind: "live",
      status: statusWith(
        {
          state: "SUSPECT_S",
          outcome: "xcp1 has not heard xcp2 for 6.2 s; it takes over when 13 s have passed and the vote holds",
          serving: false,
          resources: [
            resource({
              role: "Secondary",
              connection: "Connecting",
              replication: "Off",
              peerRole: "Unknown",
              peerDisk: "DUnknown",
            }),
          ],
          target: { state: "running", expected: "warm", pid: 4503, sessions: 0 },
          vip: { address: "10.10.10.3", state: "absent", mac: null },
        },
        { state: "OWNER", serving: true },
        {
          contact: {
            inContact: false,
            silentMs: 6200,
            links: [
              { link: "management", lastHeardMs: 6200, up: false },
              { link: "replication", lastHeardMs: 6300, up: false },
            ],
          },
          episode: {
            sinceMs: 6200,
            leaseLeftMs: 200,
            takeoverInMs: 6800,
            vote: "held",
            waitingFor: "13 s of silence with a vote that never failed (6.8 s left)",
          },
          alerts: [{ id: "peer", sinceWallMs: sampleWallMs - 5000, text: "xcp2 is silent on both links" }],
          events: [
            { wallMs: sampleWallMs - 5200, node: "xcp1", event: "peer.suspected", detail: "silent for 1.0 s" },
            { wallMs: sampleWallMs - 3200, node: "xcp1", event: "peer.dead", detail: "silent for 3.0 s" },
          ],
        },
      ),
    },
  },
  resync: {
    now: sampleWallMs,
    view: {
      kind: "live",
      status: statusWith(
        {
          outcome: "xcp1 serves the storage; the copy on xcp2 is being brought up to date",
          resources: [
            resource(
              { replication: "SyncSource", peerDisk: "Inconsistent", donePercent: 43.2, outOfSyncKiB: 12_700_000 },
              { solo: true, etaSeconds: 190 },
            ),
            {
              name: "iscsi2-with-a-long-name",
              view: null,
              why: "drbdsetup gave no answer within 2000 ms",
              solo: false,
              etaSeconds: null,
            },
          ],
        },
        {
          eligible: false,
          resources: [
            resource({
              role: "Secondary",
              peerRole: "Primary",
              disk: "Inconsistent",
              replication: "SyncTarget",
              donePercent: 43.2,
              outOfSyncKiB: 12_700_000,
            }),
          ],
        },
      ),
    },
  },
  blocked: {
    now: sampleWallMs,
    view: {
      kind: "live",
      status: statusWith(
        {
          state: "BLOCKED",
          outcome:
            "xcp1 does nothing by itself: the floating IP answers with a MAC that belongs to neither host. Find that machine, then run: ha-cfg explain",
          ha: "leaving",
          flags: { manual: true, maintenance: true },
          serving: false,
          resources: [resource({ role: "Secondary", disk: "Outdated", suspended: true, outOfSyncKiB: 300 })],
          target: { state: "stopped", expected: "running", pid: null, sessions: null },
          vip: { address: "10.10.10.3", state: "elsewhere", mac: "52:54:00:de:ad:01" },
          domains: [{ uuid: "u", name: "web", paused: true }],
          watchdog: "disarmed",
          eligible: false,
        },
        { name: "xcp2\u001b[2J", flags: { manual: true, maintenance: false } },
        {
          policy: "strict",
          fencing: { method: "IPMI", enabled: true, ready: false, detail: "192.168.1.232 refused the password" },
          alerts: Array.from({ length: 6 }, (_, index) => ({
            id: String(index),
            sinceWallMs: sampleWallMs - index * 60_000,
            text: `alert number ${index} with a text that is long enough to run past the right edge of a small terminal`,
          })),
        },
      ),
    },
  },
  "peer-unknown": {
    now: sampleWallMs,
    view: {
      kind: "live",
      status: statusWith(
        { state: "JOINING", outcome: "xcp1 waits for a first word of its peer", serving: false },
        null,
        {
          contact: { inContact: false, silentMs: null, links: [{ link: "management", lastHeardMs: null, up: false }] },
          events: [],
        },
      ),
    },
  },
  "daemon-down": {
    now: sampleWallMs,
    view: {
      kind: "down",
      reason: "Cannot reach tandemd: found no socket at /run/tandem/tandemd.sock, expected the daemon to be running",
      next: "systemctl status tandemd; then: systemctl start tandemd",
      last: healthyStatus,
    },
  },
  stale: { view: { kind: "live", status: healthyStatus }, now: sampleWallMs + 33_000 },
};
