// Status documents for the tests of the socket, the tools and the dashboard: a healthy pair, and how to change it.

import type { HostStatus, StatusDocument } from "../../../src/core/model/status.ts";
import { sampleView } from "../drbd/sample-view.ts";

/** Fri 20 Nov 2026 23:55:07 UTC. */
export const sampleWallMs = Date.UTC(2026, 10, 20, 23, 55, 7);

export const xcp1Id = "11111111-1111-4111-8111-111111111111";
export const xcp2Id = "22222222-2222-4222-8222-222222222222";

export const ownHost: HostStatus = {
  hostId: xcp1Id,
  name: "xcp1",
  version: "0.1.0",
  state: "OWNER",
  outcome: "xcp1 serves the storage; xcp2 is in contact and in sync",
  ha: "on",
  flags: { manual: false, maintenance: false },
  epoch: 7,
  owner: xcp1Id,
  serving: true,
  eligible: true,
  xapiRole: "master",
  resources: [
    {
      name: "iscsi1",
      view: sampleView(),
      why: null,
      solo: false,
      etaSeconds: null,
    },
  ],
  target: { state: "running", expected: "running", pid: 4503, sessions: 2 },
  vip: { address: "10.10.10.3", state: "local", mac: "52:54:00:00:01:01" },
  watchdog: "armed",
  domains: [
    { uuid: "aaaaaaaa-0000-4000-8000-000000000001", name: "web", paused: false },
    { uuid: "aaaaaaaa-0000-4000-8000-000000000002", name: "mail", paused: false },
  ],
  pid: 4020,
  drbdVersion: "8.4.11",
};

export const peerHost: HostStatus = {
  ...ownHost,
  hostId: xcp2Id,
  name: "xcp2",
  state: "STANDBY",
  outcome: "xcp2 stands by",
  serving: false,
  xapiRole: "supporter",
  resources: ownHost.resources.map((resource) => ({
    ...resource,
    view: resource.view && { ...resource.view, role: "Secondary", peerRole: "Primary" },
  })),
  target: { state: "unknown", expected: "warm", pid: null, sessions: null },
  vip: { address: "10.10.10.3", state: "unknown", mac: null },
  domains: [{ uuid: "aaaaaaaa-0000-4000-8000-000000000003", name: "files", paused: false }],
  pid: null,
  drbdVersion: null,
};

export const healthyStatus: StatusDocument = {
  protocol: 1,
  wallMs: sampleWallMs - 300,
  policy: "vote",
  policyNote: "A ping vote is not fencing: it cannot prove that the peer is off.",
  own: ownHost,
  peer: peerHost,
  contact: {
    inContact: true,
    silentMs: 120,
    links: [
      { link: "management", lastHeardMs: 120, up: true },
      { link: "replication", lastHeardMs: 90, up: true },
    ],
  },
  episode: null,
  heuristics: [{ address: "192.168.1.253", answering: true }],
  witnesses: [],
  fencing: { method: "POOL", enabled: true, ready: true, detail: "the ping vote answers" },
  alerts: [],
  events: [
    { wallMs: sampleWallMs - 65_000, node: "xcp1", event: "vip.added", detail: "10.10.10.3 on repl" },
    { wallMs: sampleWallMs - 64_000, node: "xcp1", event: "storage.activated", detail: "iscsi1 in 412 ms" },
    { wallMs: sampleWallMs - 3_000, node: "xcp2", event: "drbd.changed", detail: "iscsi1 Connected UpToDate" },
  ],
  hosts: [
    { hostId: xcp1Id, name: "xcp1", address: "192.168.1.241", live: true, enabled: true, master: true },
    { hostId: xcp2Id, name: "xcp2", address: "192.168.1.242", live: true, enabled: true, master: false },
  ],
  vms: {
    total: 4,
    protected: 3,
    running: 3,
    survivorHasRoom: true,
    failuresTolerated: 1,
    down: [],
    detail: "the pool bears the loss of 1 of 2 hosts",
  },
};

/** The healthy document with parts replaced. */
export function statusWith(
  own: Partial<HostStatus>,
  peer: Partial<HostStatus> | null = {},
  rest: Partial<StatusDocument> = {},
): StatusDocument {
  return {
    ...healthyStatus,
    own: { ...ownHost, ...own },
    peer: peer === null ? null : { ...peerHost, ...peer },
    ...rest,
  };
}
