// The multipath daemon must take neither DRBD's device nor the disk below it. Pure.

import { MARKER } from "./marker.ts";

export const MULTIPATH_FOLDER = "/etc/multipath";
export const MULTIPATH_FILE = "/etc/multipath/conf.d/tandem.conf";

/** By its WWID where it has one: a kernel name may be another disk after the next boot. */
export function multipathText({
  stable,
  kernelName,
}: {
  readonly stable: readonly string[];
  readonly kernelName: string;
}): string {
  const wwid = stable.map((name) => /^\/dev\/disk\/by-id\/scsi-([0-9A-Za-z_.-]+)$/.exec(name)?.[1]).find(Boolean);
  const disk = wwid === undefined ? `devnode "^${kernelName.replace(/^\/dev\//, "")}$"` : `wwid "${wwid}"`;
  return `${MARKER}
blacklist {
    devnode "^drbd[0-9]"
    ${disk}
}
`;
}
