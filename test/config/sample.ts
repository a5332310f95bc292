// A valid local file and its inventory for the tests of the configuration.

import type { Inventory } from "../../src/config/inventory.ts";
import { parseLocalFile, type LocalFile } from "../../src/config/local-file.ts";

export const XCP1 = "11111111-1111-4111-8111-111111111111";
export const XCP2 = "22222222-2222-4222-8222-222222222222";
export const INVENTORY: Inventory = { hostId: XCP1, managementInterface: "xenbr0" };

export const SAMPLE = `pool:
  uuid: 0d6a2b1c-7f7e-4c55-9f39-6f1d3a1b2c4d
hosts:
  - uuid: ${XCP1}
    name: xcp1
    management: 192.168.1.241
    replication: 10.10.10.1
  - uuid: ${XCP2}
    name: xcp2
    management: 192.168.1.242
    replication: 10.10.10.2
storage:
  DRBD_RESOURCES: iscsi1
  DRBD_VIRTUAL_IP: 10.10.10.3
  DRBD_VIRTUAL_MASK: 255.255.255.0
  DRBD_INTERFACE: repl
  TARGET_IQN: iqn.2026-11.lab.tandem:iscsi1
  LUNS:
    - resource: iscsi1
      device: /dev/drbd1
      lun: 10
      scsi_id: 0000000000
      scsi_sn: 0000000001
overrides:
  SLAVE_VM_STAT: 1
`;

export function sampleFile(text: string = SAMPLE, inventory: Inventory = INVENTORY): LocalFile {
  const parsed = parseLocalFile(text, inventory);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}
