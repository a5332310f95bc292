#!/bin/sh
# save-ha-lizard [FROM [TO]]: keeps what HA-Lizard, iSCSI-HA, DRBD and tgt are configured with, before the packages of the first
# two are removed. Changes nothing but TO (default /root/ha-lizard). Runs without being installed:
#   rpm2cpio tandem-*.rpm | cpio -i --to-stdout '*/save-ha-lizard' | sh
set -eu
from=${1:-/etc}
to=${2:-/root/ha-lizard}
if [ ! -e "$from/ha-lizard" ] && [ ! -e "$from/iscsi-ha" ]; then
  echo "Cannot save the configuration: found neither $from/ha-lizard nor $from/iscsi-ha, expected HA-Lizard on this host" >&2
  exit 1
fi
if [ -e "$to" ]; then
  echo "Cannot save the configuration: $to is there already; move it away, or name another folder" >&2
  exit 1
fi
# Passwords and DRBD's shared secret are among it. Half a copy is never found under the name of a whole one.
umask 077
rm -rf "$to.part"
mkdir -p "$to.part/etc"
for name in ha-lizard iscsi-ha drbd.conf drbd.d tgt; do
  [ ! -e "$from/$name" ] || cp -a "$from/$name" "$to.part/etc/"
done
# The pool's parameters are in its database, where 'ha-cfg import' reads them; should the removal take them along, here they are.
if command -v xe >/dev/null 2>&1; then
  pool=$(xe pool-list --minimal)
  xe pool-param-get "uuid=$pool" param-name=other-config >"$to.part/pool-other-config"
fi
mv "$to.part" "$to"
echo "Saved in $to. Next, on this host:"
echo "  rpm -e ha-lizard iscsi-ha && rpm -i tandem-*.rpm"
echo "  ha-cfg import --storage --etc $to/etc        # shows; --write adds it to tandem.yaml"
echo "and once tandemd runs on both hosts: ha-cfg import $to/etc/ha-lizard/ha-lizard.conf --write"
