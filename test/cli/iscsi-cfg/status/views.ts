// The situations the dashboard is tested in, shared by the goldens and by whoever wants to look at them in a terminal.

import type { DashboardView } from "../../../../src/cli/iscsi-cfg/status/sections.ts";
import { LOST } from "../../../../src/daemon/readiness/health.ts";
import { healthyStatus, ownHost, sampleWallMs, statusWith } from "../../../drivers/control/status-sample.ts";

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
          alerts: [{ id: "lost", sinceWallMs: sampleWallMs - 5000, text: LOST }],
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
  "failover-done": {
    now: sampleWallMs,
    view: {
      kind: "live",
      status: statusWith(
        {
          state: "OWNER_SOLO",
          epoch: 8,
          outcome: "xcp1 serves the storage alone; the copy on xcp2 stays behind until xcp2 is back",
          resources: [
            resource(
              {
                connection: "Connecting",
                replication: "Off",
                peerRole: "Unknown",
                peerDisk: "DUnknown",
                outOfSyncKiB: 48_240,
              },
              { solo: true },
            ),
          ],
        },
        { state: "OWNER", serving: true },
        {
          contact: {
            inContact: false,
            silentMs: 95_000,
            links: [
              { link: "management", lastHeardMs: 95_000, up: false },
              { link: "replication", lastHeardMs: 95_100, up: false },
            ],
          },
          alerts: [
            { id: "lost", sinceWallMs: sampleWallMs - 94_000, text: LOST },
            { id: "disk", sinceWallMs: sampleWallMs - 80_000, text: "the storage runs on one copy" },
          ],
          events: [
            { wallMs: sampleWallMs - 94_000, node: "xcp1", event: "peer.suspected", detail: "silent for 1.0 s" },
            { wallMs: sampleWallMs - 82_000, node: "xcp1", event: "takeover", detail: "epoch 8 by vote" },
            { wallMs: sampleWallMs - 81_400, node: "xcp1", event: "storage.activated", detail: "iscsi1 in 612 ms" },
            { wallMs: sampleWallMs - 70_000, node: "xcp1", event: "vm.started", detail: "files" },
          ],
        },
      ),
    },
  },
  "split-brain": {
    now: sampleWallMs,
    view: {
      kind: "live",
      status: statusWith(
        {
          state: "BLOCKED",
          outcome:
            "the copies of iscsi1 grew apart: nobody serves until a person chooses; see iscsi-cfg resolve-split-brain",
          serving: false,
          eligible: false,
          resources: [
            resource({
              role: "Secondary",
              connection: "StandAlone",
              replication: "Off",
              peerRole: "Unknown",
              peerDisk: "DUnknown",
              outOfSyncKiB: 20_480,
            }),
          ],
          target: { state: "stopped", expected: "running", pid: null, sessions: null },
          vip: { address: "10.10.10.3", state: "absent", mac: null },
        },
        {
          state: "BLOCKED",
          eligible: false,
          resources: [
            resource({ role: "Secondary", connection: "StandAlone", replication: "Off", peerDisk: "DUnknown" }),
          ],
        },
        { alerts: [{ id: "drbd-apart", sinceWallMs: sampleWallMs - 40_000, text: "iscsi1: the copies grew apart" }] },
      ),
    },
  },
  maintenance: {
    now: sampleWallMs,
    view: {
      kind: "live",
      status: statusWith(
        { outcome: "xcp1 serves the storage; xcp2 is in maintenance: nothing fails over to it" },
        { state: "MAINTENANCE", flags: { manual: true, maintenance: true }, eligible: false, domains: [] },
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
