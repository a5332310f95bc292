#!/bin/sh
# Logs the kernel's own initiator in (or out) at the portal with the settings a dom0 has, and prints the block device.
# Must never leave iscsid attached to the caller's terminal: the control channel would wait for it for ever.
#
# Usage: open-iscsi.sh login  PORTAL TARGET-IQN LUN INITIATOR-IQN
#        open-iscsi.sh logout PORTAL TARGET-IQN LUN
#        open-iscsi.sh state  PORTAL TARGET-IQN LUN
# PORTAL is ADDRESS:PORT. Sources: iscsid.conf(5) and iscsiadm(8) of open-iscsi 2.1.8.
set -eu

fail() {
  echo "$1" >&2
  exit 1
}

[ $# -ge 4 ] || fail "Usage: open-iscsi.sh login|logout|state PORTAL TARGET-IQN LUN [INITIATOR-IQN]"
action=$1 portal=$2 iqn=$3 lun=$4
device=/dev/disk/by-path/ip-$portal-iscsi-$iqn-lun-$lun

# The node has no udev: find the disk of this session and LUN in sysfs.
find_disk() {
  for session in /sys/class/iscsi_session/session*; do
    [ -r "$session/targetname" ] || continue
    [ "$(cat "$session/targetname")" = "$iqn" ] || continue
    for block in "$session"/device/target*/*:*:*:"$lun"/block/*; do
      [ -e "$block" ] || continue
      basename "$block"
      return 0
    done
  done
  return 1
}

# What XCP-ng's dom0 has: I/O is held for 144 s while the target is away, a dead link is noticed after 10 s at most.
# In the file and not in `--op update`: a new record takes its values from here, and each iscsiadm costs time.
write_settings() {
  cat >/etc/iscsi/iscsid.conf <<'SETTINGS'
node.startup = manual
node.session.auth.authmethod = None
node.session.timeo.replacement_timeout = 144
node.conn[0].timeo.login_timeout = 15
node.conn[0].timeo.logout_timeout = 15
node.conn[0].timeo.noop_out_interval = 5
node.conn[0].timeo.noop_out_timeout = 5
node.session.err_timeo.abort_timeout = 15
node.session.err_timeo.lu_reset_timeout = 30
node.session.initial_login_retry_max = 8
node.session.queue_depth = 32
node.session.iscsi.DefaultTime2Wait = 0
SETTINGS
}

start_iscsid() {
  modprobe -a iscsi_tcp sd_mod 2>/dev/null || true # built in on some kernels
  [ -d /sys/class/iscsi_host ] || fail "Cannot log in: found no iscsi_tcp in this kernel, expected the module iscsi_tcp"
  mkdir -p /etc/iscsi /run/lock/iscsi /var/lib/iscsi/nodes /var/lib/iscsi/send_targets
  echo "InitiatorName=$1" >/etc/iscsi/initiatorname.iscsi
  write_settings
  if ! pidof iscsid >/dev/null; then
    setsid iscsid -f </dev/null >/var/log/iscsid.log 2>&1 &
    tries=0
    until grep -q ISCSIADM_ABSTRACT_NAMESPACE /proc/net/unix; do
      tries=$((tries + 1))
      [ $tries -lt 50 ] || fail "Cannot log in: iscsid does not answer, see /var/log/iscsid.log"
      sleep 0.1
    done
  fi
}

login() {
  start_iscsid "${1:?Cannot log in: found no initiator IQN}"
  iscsiadm -m node -T "$iqn" -p "$portal" --op new >/dev/null
  iscsiadm -m node -T "$iqn" -p "$portal" --login >/dev/null || [ $? -eq 15 ] # 15: the session is there already
  tries=0
  until disk=$(find_disk); do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "Cannot find the disk of LUN $lun: found no block device 10 s after the login to $portal"
    sleep 0.1
  done
  if [ ! -b "/dev/$disk" ]; then
    numbers=$(cat "/sys/class/block/$disk/dev")
    mknod "/dev/$disk" b "${numbers%:*}" "${numbers#*:}"
  fi
  mkdir -p /dev/disk/by-path
  ln -sfn "../../$disk" "$device"
  echo "$device"
}

case $action in
  login) login "${5:-}" ;;
  logout)
    iscsiadm -m node -T "$iqn" -p "$portal" --logout >/dev/null
    rm -f "$device"
    ;;
  state)
    iscsiadm -m session -P 1 | sed -n 's/^[[:space:]]*\(iSCSI Connection State\|iSCSI Session State\|Internal iscsid Session State\): */\1=/p'
    disk=$(find_disk) && echo "disk=/dev/$disk"
    ;;
  *) fail "Cannot $action: expected login, logout or state" ;;
esac
