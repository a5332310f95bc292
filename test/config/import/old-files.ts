// The files of an iSCSI-HA installation, with the values of seed 001, step 7.

export const ISCSI_HA_CONF = `# iSCSI-HA
DRBD_RESOURCES=iscsi1
ISCSI_TARGET_SERVICE=/etc/init.d/tgtd
DRBD_VIRTUAL_IP=10.10.10.3
DRBD_VIRTUAL_MASK=255.255.255.0
DRBD_INTERFACE=xapi0
MONITOR_MAX_STARTS=5
MONITOR_DELAY=10
MONITOR_KILLALL=1
MONITOR_SCANRATE=5
ENABLE_LOGGING=1
MAIL_ON=1
MAIL_SUBJECT="SYSTEM ALERT - FROM HOST: $HOSTNAME"
MAIL_FROM="root@localhost"
MAIL_TO='YOUR EMAIL ADDRESS HERE'
SMTP_SERVER=127.0.0.1
POST_VERSION=1
`;

export const TARGETS_CONF = `<target iqn.2013-05.com.yourdomain:yourhost>
 backing-store /dev/drbd1
 scsi_id 0000000000
 scsi_sn 0000000001
 lun 10
</target>
`;

export const DRBD_CONF = `global { usage-count no; }
common { syncer { rate 100M; } }
resource iscsi1 {
  protocol C;
  net { after-sb-0pri discard-zero-changes; cram-hmac-alg sha1; shared-secret "hidden"; }
  on XCP1 { device /dev/drbd1; disk /dev/cciss/c0d1; address 10.10.10.1:7789; meta-disk internal; }
  on XCP2 { device /dev/drbd1; disk /dev/cciss/c0d1; address 10.10.10.2:7789; meta-disk internal; }
}
`;
