// DRBD's files for one replicated disk. Pure. The options are those that the proofs stand on (protocol.md 8), and how soon
// a dead peer is noticed.

import type { SetupRecord } from "../answers.ts";
import { MARKER } from "./marker.ts";

export const DRBD_CONF = "/etc/drbd.conf";
export const DRBD_GLOBAL = "/etc/drbd.d/global_common.conf";
export const drbdResourcePath = (resource: string): string => `/etc/drbd.d/${resource}.res`;

export const DRBD_CONF_TEXT = `${MARKER}
include "drbd.d/global_common.conf";
include "drbd.d/*.res";
`;

export const DRBD_GLOBAL_TEXT = `${MARKER}
global { usage-count no; }
`;

/** Does this drbd.conf read what lies in drbd.d? */
export const includesResources = (text: string): boolean =>
  /^\s*include\s+"?(\/etc\/)?drbd\.d\/\*\.res"?\s*;/m.test(text);

/** A resync may take this part of the line, in percent: VMs write over it at the same time (DRBD's own rule of thumb). */
const RESYNC_PERCENT = 30;

export interface DrbdFlavour {
  /** The first number of the version of the kernel module, or of the tools while it is not loaded. */
  readonly major: 8 | 9;
  /** agents/drbd/fence-peer as it is installed. */
  readonly handler: string;
}

/**
 * One complete file: an `include` inside a resource is a mistake for drbdadm, after which all of its calls fail. With 9 the
 * fencing policy belongs to the connection, with 8.4 to the disk.
 */
export function drbdResourceText({ answers, drbdSecret }: SetupRecord, { major, handler }: DrbdFlavour): string {
  const mebibytesPerSecond = Math.max(1, Math.round((answers.linkMbit / 8) * (RESYNC_PERCENT / 100)));
  const fencing = "    fencing resource-and-stonith;\n";
  const hosts = answers.hosts.map(({ name, disk, replication }, index) => {
    const at = replication.includes(":") ? `ipv6 [${replication}]` : replication;
    return `  on ${name} {
    disk "${disk}";
    address ${at}:${answers.drbdPort};
${major === 9 ? `    node-id ${index};\n` : ""}  }
`;
  });
  return `${MARKER}
resource ${answers.resource} {
  device ${answers.device};
  meta-disk internal;
  protocol C;
  handlers {
    fence-peer "${handler}";
  }
  options {
    on-no-data-accessible suspend-io;
${major === 9 ? "    auto-promote no;\n" : ""}  }
  disk {
${major === 8 ? fencing : ""}    on-io-error detach;
    c-plan-ahead 0;
    resync-rate ${mebibytesPerSecond}M;
    c-min-rate ${Math.max(1, Math.round(mebibytesPerSecond / 3))}M;
  }
  net {
${major === 9 ? fencing : ""}    allow-two-primaries no;
    after-sb-0pri disconnect;
    after-sb-1pri disconnect;
    after-sb-2pri disconnect;
    rr-conflict disconnect;
    cram-hmac-alg sha256;
    shared-secret "${drbdSecret}";
    ping-int 1;
    ping-timeout 5;
    timeout 9;
    connect-int 1;
  }
${hosts.join("")}}
`;
}
