systemctl daemon-reload >/dev/null 2>&1 || :
if [ "$1" -eq 0 ]; then
  # Compiled code is nobody's but ours; what a person wrote, the record of ownership and the log stay.
  rm -rf /var/cache/tandem
  if [ "$TANDEM_PURGE" = 1 ]; then
    rm -rf /etc/tandem /var/lib/tandem /var/lib/tandem-witness /var/log/tandem
  fi
fi
exit 0
