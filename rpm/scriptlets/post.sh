systemctl daemon-reload >/dev/null 2>&1 || :
if [ "$1" -eq 1 ]; then
  # It starts only where a configuration is (ConditionPathExists), so enabling it does no harm before the set-up.
  systemctl enable tandemd.service >/dev/null 2>&1 || :
  # Nothing runs until root reads the socket; nothing listens on the network unless metrics.yaml says so.
  systemctl enable --now tandem-metrics.socket >/dev/null 2>&1 || :
  if [ ! -e /etc/tandem/tandem.yaml ]; then
    echo "tandem is installed. Next, on one host: iscsi-cfg setup (or write /etc/tandem/tandem.yaml)."
    echo "'ha-cfg check' names the next step at any time."
  fi
fi
exit 0
