// /etc/tandem/tandem.yaml of a pool that was set up. Pure; the same on both hosts.

import type { SetupAnswers } from "../answers.ts";
import { MARKER } from "./marker.ts";

/** The two hosts may log in; the host that serves reaches itself from the floating IP. */
export function tandemYamlText(answers: SetupAnswers): string {
  const hosts = answers.hosts.map(
    ({ uuid, name, management, replication }) => `  - uuid: ${uuid}
    name: ${name}
    management: "${management}"
    replication: "${replication}"
`,
  );
  return `${MARKER}
# The commented example is in the documents of the package.
pool:
  uuid: ${answers.poolUuid}
hosts:
${hosts.join("")}storage:
  DRBD_RESOURCES: ${answers.resource}
  DRBD_VIRTUAL_IP: "${answers.vip}"
  DRBD_VIRTUAL_MASK: "${answers.prefix}"
  DRBD_INTERFACE: "${answers.interface}"
  ISCSI_TARGET_SERVICE: tgtd
  TARGET_IQN: "${answers.iqn}"
  TARGET_INITIATORS: "${[...answers.hosts.map(({ replication }) => replication), answers.vip].join(",")}"
  LUNS:
    - resource: ${answers.resource}
      device: ${answers.device}
      lun: ${answers.lun}
      scsi_id: ${JSON.stringify(answers.scsiId)}
      scsi_sn: ${JSON.stringify(answers.scsiSn)}
`;
}
