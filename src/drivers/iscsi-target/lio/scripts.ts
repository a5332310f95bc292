// The kernel's target is a tree of directories (configfs): made by mkdir, configured by writes, linked by symlinks. Every
// change runs in a shell of its own and never in this process: a write there may wait in the kernel for suspended I/O, and a
// thread that hangs in the kernel would keep the daemon from ending. Values come as arguments, never as text of the script.
// $1 is the root (/sys/kernel/config/target), $2 the IQN. Each script can be repeated.

/** Names of the device objects that are ours: `tandem.LUN.RESOURCE`. */
export const STORE_PREFIX = "tandem.";
/** An HBA of our own; its number means nothing, and targetcli starts at 0. */
const HBA = "core/fileio_7694";

/**
 * What is there, a line each: `tpg 0|1`, `portal NAME`, `lun N STORE`, `store NAME 0|1 DEVICE SERIAL`, `dynamic INITIATOR`,
 * `acl INITIATOR ADDRESS|-`. No process but the shell itself.
 */
const SHOW = `
show() {
  cd "$1" 2>/dev/null || return 0
  for store in core/fileio_*/${STORE_PREFIX}*; do
    [ -d "$store" ] || continue
    read -r on < "$store/enable"; device=; read -r device < "$store/udev_path" || :
    # The kernel shows it behind a title.
    serial=; IFS= read -r serial < "$store/wwn/vpd_unit_serial" || :
    echo "store \${store##*/} $on $device \${serial#*: }"
  done
  cd "iscsi/$2/tpgt_1" 2>/dev/null || return 0
  read -r on < enable; echo "tpg $on"
  for np in np/*; do [ ! -d "$np" ] || echo "portal \${np#np/}"; done
  for link in lun/lun_*/*; do
    [ -L "$link" ] || continue
    lun=\${link#lun/lun_}; echo "lun \${lun%%/*} \${link##*/}"
  done
  while read -r name; do [ -z "$name" ] || echo "dynamic $name"; done < dynamic_sessions
  for acl in acls/*; do
    [ -d "$acl" ] || continue
    address=-
    while read -r word value rest; do [ "$word" != Address ] || address=$value; done < "$acl/info"
    echo "acl \${acl#acls/} $address"
  done
}
`;

/**
 * Takes all under one IQN apart. Disabling ends every session and waits for its commands. What others may have made below goes
 * first, or the kernel lets go of nothing: targetcli gives an initiator's entry LUNs of its own. Every target of ours has the
 * loopback portal, so one under an IQN that the configuration names no more is known by it.
 */
const APART = `
apart() {
  iqn=$1
  for enable in "$iqn"/tpgt_*/enable; do
    on=0; [ ! -f "$enable" ] || read -r on < "$enable"
    [ "$on" != 1 ] || echo 0 > "$enable"
  done
  set --
  for link in "$iqn"/tpgt_*/acls/*/lun_*/* "$iqn"/tpgt_*/lun/lun_*/*; do [ ! -L "$link" ] || set -- "$@" "$link"; done
  [ $# -eq 0 ] || rm "$@"
  set --
  for dir in "$iqn"/tpgt_*/np/* "$iqn"/tpgt_*/acls/*/lun_* "$iqn"/tpgt_*/acls/* "$iqn"/tpgt_*/lun/lun_* "$iqn"/tpgt_*; do
    [ ! -d "$dir" ] || set -- "$@" "$dir"
  done
  rmdir "$@" "$iqn"
}
apart_earlier() {
  for np in "$1"/iscsi/*/tpgt_1/np/"$3"; do
    [ ! -d "$np" ] || [ "$np" = "$1/iscsi/$2/tpgt_1/np/$3" ] || ( apart "\${np%/tpgt_1/*}" )
  done
}
`;

const script = (body: string): string => `set -e\n${SHOW}${body}\nshow "$1" "$2"\n`;

export const LOOK = script("");

/** $1, $2: number and name of a LUN. The directories that it will live in hold nothing and open nothing. */
const ROOM = `
room() {
  store=$root/${HBA}/$2 lun=$tpg/lun/lun_$1
  [ -d "$store" ] && [ -d "$lun" ] || mkdir -p "$store" "$lun"
}
`;

/**
 * $3: the loopback portal; then number and name of each LUN that is to come. An enabled target without a LUN, for whoever gets
 * past the routes of \`admission.ts\`. One that is disabled, or has no loopback portal, was left half-way or by somebody else:
 * enabled as it is, it would open whatever LUNs and portals it has.
 */
export const WARM = script(`${APART}${ROOM}
if [ ! -d "$1/iscsi" ]; then
  modprobe -a target_core_mod target_core_file iscsi_target_mod
  # By systemd: what this unit mounts in its own name space is gone with it, and the next daemon would see no target.
  [ -d "$1" ] || systemctl start sys-kernel-config.mount || :
  [ -d "$1" ] || mount -t configfs configfs "\${1%/*}"
  mkdir -p "$1/iscsi"
fi
apart_earlier "$1" "$2" "$3"
tpg=$1/iscsi/$2/tpgt_1
on=0
[ ! -d "$tpg/np/$3" ] || read -r on < "$tpg/enable"
if [ "$on" != 1 ]; then
  [ ! -d "$tpg" ] || ( apart "\${tpg%/*}" )
  mkdir -p "$tpg"
  echo 0 > "$tpg/attrib/authentication"
  echo 1 > "$tpg/attrib/generate_node_acls"
  echo 0 > "$tpg/attrib/demo_mode_write_protect"
  echo 0 > "$tpg/attrib/cache_dynamic_acls"
  # One login at a time is served by a portal: who falls silent half-way must not keep others out for long.
  echo 5 > "$tpg/attrib/login_timeout"
  echo None > "$tpg/param/AuthMethod"
  # Wait 0 instead of 2 s before an initiator logs in again.
  echo 0 > "$tpg/param/DefaultTime2Wait"
  mkdir -p "$tpg/np/$3"
  echo 1 > "$tpg/enable"
fi
root=$1 iqn=$2
shift 3
while [ $# -gt 0 ]; do room "$1" "$2"; shift 2; done
set -- "$root" "$iqn"
`);

/**
 * $3 and on, four for each LUN: number, name, device, serial number. FILEIO and not IBLOCK: only there does "write cache off"
 * make the kernel sync each write (O_DSYNC) before it is acknowledged; IBLOCK shows the cache of the DRBD device, which is on.
 */
export const FILL = script(`${ROOM}
root=$1 iqn=$2 tpg=$1/iscsi/$2/tpgt_1
shift 2
[ -d "$tpg" ] || { echo "there is no target $iqn: it was not started" >&2; exit 1; }
while [ $# -gt 0 ]; do
  room "$1" "$2"
  read -r on < "$store/enable"
  if [ "$on" != 1 ]; then
    # FILEIO creates what it does not find: a file in /dev, which would keep DRBD's device from its name.
    [ -e "$3" ] || { echo "there is no device $3" >&2; exit 1; }
    echo "fd_dev_name=$3" > "$store/control"
    echo "$3" > "$store/udev_path"
    echo 1 > "$store/enable"
  fi
  # An enabled store may be what an earlier shell left that was ended here; once it is linked the kernel takes no serial.
  if [ ! -L "$lun/$2" ]; then
    echo 0 > "$store/attrib/emulate_write_cache"
    echo "$4" > "$store/wwn/vpd_unit_serial"
    ln -s "$store" "$lun/$2"
  fi
  shift 4
done
set -- "$root" "$iqn"
`);

/** $3: the portal. */
export const OPEN = script(`
[ -d "$1/iscsi/$2/tpgt_1/np/$3" ] || mkdir "$1/iscsi/$2/tpgt_1/np/$3"
`);

/**
 * $3: the loopback portal. Removing the device object closes the device. What an administrator or another program made in the
 * tree stays, unless it is under our IQN.
 */
export const WITHDRAW = script(`${APART}
root=$1 iqn=$2
[ ! -d "$1/iscsi/$2" ] || ( apart "$1/iscsi/$2" )
apart_earlier "$1" "$2" "$3"
set --
for store in "$root"/core/fileio_*/${STORE_PREFIX}*; do [ ! -d "$store" ] || set -- "$@" "$store"; done
[ $# -eq 0 ] || rmdir "$@"
set -- "$root" "$iqn"
`);

/** $3 and on: initiators that are logged in. Only a named one can be asked for its address. */
export const NAME = script(`
root=$1 iqn=$2 acls=$1/iscsi/$2/tpgt_1/acls
shift 2
for name in "$@"; do [ -d "$acls/$name" ] || mkdir "$acls/$name"; done
set -- "$root" "$iqn"
`);

/** $3 and on: named initiators whose sessions end. */
export const DROP = script(`
root=$1 iqn=$2 acls=$1/iscsi/$2/tpgt_1/acls
shift 2
for name in "$@"; do [ ! -d "$acls/$name" ] || rmdir "$acls/$name"; done
set -- "$root" "$iqn"
`);
