// What stands under the options in the help of single commands: what happens, what does not, and what to do before it.
// Every line fits 80 columns.

export const HELP: Readonly<Record<string, string>> = {
  status: `On a terminal it asks whether HA is to be switched: "yes" does it, Enter leaves
it as it is. In a script it only prints.`,

  check: `Nothing is changed: the fence device is asked for its power state, every
heuristic address is pinged, from this host only: run it on both.
It ends with 1 when a failover would miss something.`,

  explain: `Nothing is changed. Start here when something does not happen.`,

  enable: `Done when the watchdogs of both hosts are armed. Refused, with the reason, while
something is missing that a failover needs; 'ha-cfg check' names all of it.`,

  disable: `From then on nobody is fenced, no VM is started and the watchdogs are disarmed.
The storage serves on where it is.
For work on one host use 'ha-cfg maintenance on' there.`,

  maintenance: `on:  no new VM starts here, the VMs move to the other host, storage and
     master role too, and HA holds. Then reboot or switch off as you like.
off: this host is in service again, and the VMs that were moved come back.
A restart of the daemon in the middle goes on where it was.`,

  "forget-host": `Refused while the host answers. Its VMs become halted, the locks on their disks
go, and its local storage is forgotten; the data on it is not touched.
A host that is to be repaired is not forgotten: it comes back as it was.`,

  "get-vm-ha": `"unset" counts as false. While GLOBAL_VM_HA is 1 every VM is protected, whatever
its flag says.`,

  "set-vm-ha": `Counts only while GLOBAL_VM_HA is 0; then every VM without the flag true is
unprotected, so set the flags first, then 'ha-cfg set GLOBAL_VM_HA 0'.
Example: ha-cfg set-vm-ha web1 true`,

  set: `A password is asked for when its value is left out.
Example: ha-cfg set MAIL_ON 0`,

  insert: `Values that are there stay, unless --overwrite is given.`,

  import: `--storage reads iscsi-ha/iscsi-ha.conf, tgt/targets.conf and drbd.conf there
and keeps resources, IQN, LUNs, scsi_id and scsi_sn. It needs no daemon.`,

  email: `Sent to MAIL_TO by SMTP_SERVER; the server's answer is printed.`,

  "clear-alerts": `An alert whose cause is still there stays, and ends with it.`,

  "raise-alert": `It is mailed and shown in XenCenter like any other, until 'ha-cfg clear-alerts'.
Example: ha-cfg raise-alert "the UPS is on battery"`,
};
