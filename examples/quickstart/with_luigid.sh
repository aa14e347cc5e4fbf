#!/bin/sh
# The quickstart through a central scheduler: a luigid of its own on a free loopback port, two workers.
#   sh with_luigid.sh [base directory]
set -eu
cd "$(dirname "$0")"
base_dir=${1:-data/with-luigid}
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
state=$(mktemp -d)
luigid --address 127.0.0.1 --port "$port" --state-path "$state/state.pickle" >"$state/log" 2>&1 &
scheduler=$!
trap 'kill "$scheduler"; rm -rf "$state"' EXIT

tries=0
until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1).close()" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || { cat "$state/log" >&2; echo "luigid did not start" >&2; exit 1; }
    sleep 0.1
done
echo "luigid is at http://127.0.0.1:$port"
PYTHONPATH=. luigi --module quickstart Quickstart --base-dir "$base_dir" --workers 2 \
    --scheduler-host 127.0.0.1 --scheduler-port "$port"
