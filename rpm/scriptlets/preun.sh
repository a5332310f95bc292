# Removal, not an update. With HA on the other host would take this one's silence for its death.
if [ "$1" -eq 0 ] && systemctl is-active --quiet tandemd.service; then
  for round in 1 2 3 4 5; do
    ha=$(timeout 60 iscsi-cfg status --once --json 2>/dev/null |
      timeout 60 /opt/tandem/bin/node -p 'JSON.parse(fs.readFileSync(0, "utf8")).own.ha' 2>/dev/null)
    # Right after ha-cfg disable, until every host has agreed.
    [ "$ha" = leaving ] || break
    sleep 2
  done
  case $ha in
    off) ;;
    on)
      echo "tandem is not removed: HA is on. Switch it off first: ha-cfg disable" >&2
      exit 1
      ;;
    leaving)
      echo "tandem is not removed: HA is still being switched off. Try again when 'ha-cfg status' says that it is off" >&2
      exit 1
      ;;
    *)
      echo "tandem is not removed: its daemon does not say within a minute whether HA is on. Try again; when it stays silent:" >&2
      echo "'ha-cfg disable' on the other host, then 'systemctl stop tandemd' on this one" >&2
      exit 1
      ;;
  esac
  if [ "$TANDEM_PURGE" = 1 ] && ! timeout 120 ha-cfg remove --yes >&2; then
    echo "tandem is not removed: its keys are still in the pool's database, for the reason above" >&2
    exit 1
  fi
  systemctl stop tandemd.service || {
    echo "tandem is not removed: its daemon does not stop; see 'journalctl -u tandemd'" >&2
    exit 1
  }
elif [ "$1" -eq 0 ] && [ "$TANDEM_PURGE" = 1 ]; then
  echo "tandem's keys stay in the pool's database: its daemon does not run here, and only a daemon can take them out." >&2
  echo "Where tandem is still installed, with its daemon running: ha-cfg remove" >&2
fi
if [ "$1" -eq 0 ]; then
  others="tandem-witness.service tandem-metrics.service tandem-metrics.socket"
  systemctl disable tandemd.service $others >/dev/null 2>&1 || :
  systemctl stop $others >/dev/null 2>&1 || :
fi
exit 0
