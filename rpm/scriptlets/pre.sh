# The old version runs on where an update is refused. In the middle of a failover it would restart the daemon that carries it
# out; two hosts that do not understand one another would not act for one another; and a daemon that is to stop without the
# other host's word is killed in the end, and its watchdog resets the host with all that runs on it.
if [ "$1" -ge 2 ] && [ -x /opt/tandem/bin/node ] && systemctl is-active --quiet tandemd.service; then
  said=$(timeout 60 iscsi-cfg status --once --json 2>/dev/null |
    timeout 60 /opt/tandem/bin/node -p 'const { own, contact } = JSON.parse(fs.readFileSync(0, "utf8")); `${own.state} ${own.ha} ${contact.inContact}`' 2>/dev/null)
  state=${said% * *}
  case $state in
    SUSPECT_O | SUSPECT_S | FENCED_SELF | TAKING | RELEASING)
      echo "tandem is not updated now: this host is in the state $state. See 'iscsi-cfg status'; try again when it is over." >&2
      exit 1
      ;;
  esac
  case ${said#* } in
    "on false" | "leaving false")
      echo "tandem is not updated now: the other host is silent, and with HA on a daemon stops only with its word." >&2
      echo "Update when it answers again, or without protection: ha-cfg disable --force" >&2
      exit 1
      ;;
  esac
  speaks=$(cat /opt/tandem/lib/protocol 2>/dev/null)
  if [ "$speaks" != "@PROTOCOL@" ] && [ "${said#* off }" = "$said" ]; then
    echo "tandem is not updated now: this package speaks version @PROTOCOL@ of the protocol between the hosts, the installed one version ${speaks:-0}." >&2
    echo "While they differ no host acts for the other one. Switch HA off, update both hosts, switch it on: ha-cfg disable" >&2
    exit 1
  fi
fi
exit 0
