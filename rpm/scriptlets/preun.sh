# Removal, not an update. With HA on the other host would take this one's silence for its death.
if [ "$1" -eq 0 ] && systemctl is-active --quiet tandemd.service; then
  ha=$(timeout 20 iscsi-cfg status --once --json 2>/dev/null |
    timeout 20 /opt/tandem/bin/node -p 'JSON.parse(fs.readFileSync(0, "utf8")).own.ha' 2>/dev/null)
  if [ "$ha" = on ]; then
    echo "tandem is not removed: HA is on. Switch it off first: ha-cfg disable" >&2
    exit 1
  fi
  if [ "$TANDEM_PURGE" = 1 ] && ! timeout 120 ha-cfg remove --yes >&2; then
    echo "tandem is not removed: its keys are still in the pool's database, for the reason above" >&2
    exit 1
  fi
  systemctl stop tandemd.service || {
    echo "tandem is not removed: its daemon does not stop; see 'journalctl -u tandemd'" >&2
    exit 1
  }
fi
if [ "$1" -eq 0 ]; then
  others="tandem-witness.service tandem-metrics.service tandem-metrics.socket"
  systemctl disable tandemd.service $others >/dev/null 2>&1 || :
  systemctl stop $others >/dev/null 2>&1 || :
fi
exit 0
