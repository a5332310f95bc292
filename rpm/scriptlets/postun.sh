systemctl daemon-reload >/dev/null 2>&1 || :
if [ "$1" -eq 0 ]; then
  # Compiled code is nobody's but ours; what a person wrote, the record of ownership and the log stay.
  rm -rf /var/cache/tandem
fi
exit 0
