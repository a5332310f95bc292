#!/bin/bash
# Template of a fence agent for tandem.
#
# Installing: copy the folder to /etc/tandem/fence/<METHOD>/, name this file
# <METHOD>.sh (A-Z, 0-9 and _ only), write the three functions below, and
#     chown -R root:root /etc/tandem/fence/<METHOD>
#     chmod -R go-w      /etc/tandem/fence/<METHOD>
#     chmod 700          /etc/tandem/fence/<METHOD>/<METHOD>.sh
#     ha-cfg set FENCE_METHOD <METHOD>
#     ha-cfg check
#
# How it is called:
#     <METHOD>.sh <UUID of the host> <start | stop | status | monitor>
# with nothing but these in the environment: PATH, LC_ALL, FENCE_METHOD,
# FENCE_FILE_LOC, FENCE_IPADDRESS, FENCE_HOSTS_FILE. On stdin come lines of
# key=value: action, host, method, address, hosts_file, when FENCE_PASSWD is set
# password, and timeout_ms: what this call may take. A password must never be put
# on a command line: every user of the host could read it there.
#
# How it must answer:
#     start, stop   exit 0  done, or already so
#                   exit 1  failed; the last line of stderr says why
#     status        exit 0  the host is on;  print "on"
#                   exit 2  the host is off; print "off"
#                   exit 1  cannot tell;     the last line of stderr says why
#     monitor       as status, and it fails when "stop" would not be allowed.
#                   Asked for all the time while all is well; changes nothing.
#     any other     exit 3; without "monitor" the self-test is "status"
# A host counts as fenced only when "stop" ended with 0 and "status" then said
# off twice. In doubt answer 1: "off" is a promise that the host writes nothing
# any more, and its disks are taken over on the strength of it.
# "reset" is never asked for: tandem does stop, status, and start.
#
# All of one fencing must fit into T_FENCE (10 s). After that this script and
# everything it started is killed.
#
# <METHOD>.hosts beside it has one line per host, without spaces:
#     <UUID of the host>:<what your device needs to find it>

set -u

fail() {
  echo "$1" >&2
  exit 1
}

uuid=${1:-}
action=${2:-}
password=
while IFS='=' read -r key value; do
  [ "$key" = password ] && password=$value
done

[[ $uuid =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] || fail "first argument is no UUID"

# Exact match of the whole UUID, never a pattern.
device=
if [ -n "${FENCE_HOSTS_FILE:-}" ]; then
  while IFS=':' read -r host rest; do
    [ "${host,,}" = "$uuid" ] && device=$rest
  done <"$FENCE_HOSTS_FILE"
fi
[ -n "$device" ] || fail "no line for host $uuid in ${FENCE_METHOD:-EXAMPLE}.hosts"

# --- write these three; they may use $device, $password and $FENCE_IPADDRESS ---

# Switch the power off at once (no clean shutdown); return 0 when accepted.
power_off() {
  fail "EXAMPLE is a template: power_off is not written"
}

# Switch the power on; return 0 when accepted.
power_on() {
  fail "EXAMPLE is a template: power_on is not written"
}

# Print on or off as the device reports it NOW; return 1 when it does not answer.
power_state() {
  fail "EXAMPLE is a template: power_state is not written"
}

# --- end of what has to be written ---

case $action in
  stop)
    power_off || fail "the device of $uuid refused to switch off"
    ;;
  start)
    power_on || fail "the device of $uuid refused to switch on"
    ;;
  status | monitor)
    state=$(power_state) || fail "the device of $uuid does not answer"
    case $state in
      on) echo on; exit 0 ;;
      off) echo off; exit 2 ;;
      *) fail "the device of $uuid answered neither on nor off" ;;
    esac
    ;;
  *)
    echo "unknown action: $action" >&2
    exit 3
    ;;
esac
exit 0
