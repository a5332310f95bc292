// Where a dom0 gets the programs of the storage from. XCP-ng 8.3 has a package that brings the repository with DRBD's userland
// (the module is part of its kernel); EPEL, which has the target, is set up there and switched off.

export const INSTALL = {
  drbd: "install DRBD's userland: yum install xcp-ng-release-linstor; yum install drbd-utils",
  tgt: "install the iSCSI target: yum install --enablerepo=epel,base,updates scsi-target-utils",
} as const;
