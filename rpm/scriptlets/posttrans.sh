# After an update: the daemon agrees its stop with the other host first, so this may take a while and is not waited for. What
# is served stays served meanwhile.
if systemctl is-active --quiet tandemd.service; then
  systemctl daemon-reload >/dev/null 2>&1 || :
  systemctl --no-block restart tandemd.service || :
fi
for unit in tandem-witness.service tandem-metrics.service; do
  if systemctl is-active --quiet $unit; then
    systemctl --no-block restart $unit || :
  fi
done
exit 0
