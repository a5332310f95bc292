# After an update: the daemon agrees its stop with the other host first, so this may take a while and is not waited for. What
# is served stays served meanwhile.
if systemctl is-active --quiet tandemd.service; then
  systemctl daemon-reload >/dev/null 2>&1 || :
  systemctl --no-block restart tandemd.service || :
fi
if systemctl is-active --quiet tandem-witness.service; then
  systemctl --no-block restart tandem-witness.service || :
fi
exit 0
