#!/bin/sh
# One of tandem's fence agents; the contract is in agents/EXAMPLE. Install the folder as /etc/tandem/fence/<METHOD>,
# owned by root and writable by nobody else, and write <METHOD>.hosts beside it.
method=$(basename "$0" .sh)
NODE_COMPILE_CACHE=/var/cache/tandem exec /opt/tandem/bin/node --disable-warning=ExperimentalWarning \
  /opt/tandem/lib/fence-agent.mjs "$method" "$@"
