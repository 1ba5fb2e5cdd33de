#!/bin/sh
# What `make demo` shows: a node, two workflows over real data, and where everything is afterwards.
#
# demo.sh OARLOCK, the program's path. The node keeps its data in .oarlock-demo/ of the folder it is called from, listens on a
# free port of this machine alone, and is asked to stop at the end, however the end comes.
set -eu

oarlock=${1:?the path of the program}
here=$PWD/.oarlock-demo
mkdir -p "$here"

"$oarlock" server --data "$here/node" --port 0 > "$here/ready.json" 2> "$here/node.log" &
node=$!
# Ctrl-C reaches the node as well; waiting for it keeps its farewell from being cut off.
stop() { kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; }
trap 'stop; exit 130' INT TERM

# The node says that it is ready on its standard output; until then it may only die, not be slow for ever.
tries=0
until grep -q '"event":"ready"' "$here/ready.json" 2>/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ] || ! kill -0 "$node" 2>/dev/null; then
    echo "the node did not become ready; it said:" >&2
    cat "$here/node.log" >&2
    stop
    exit 1
  fi
  sleep 0.1
done
OARLOCK_ADDR=$(sed -n 's/.*"http":"\([^"]*\)".*/\1/p' "$here/ready.json")
export OARLOCK_ADDR

echo "A node is ready at $OARLOCK_ADDR; its data is in .oarlock-demo/node and survives kill -9."
failed=0

if [ -r /var/lib/dpkg/status ]; then
  printf '\n1. The packages of this machine, from its package database\n\n'
  "$oarlock" run examples/debian-packages.yaml -i out="$here/packages" --watch || failed=$?
else
  printf '\n1. left out: this machine has no Debian package database\n'
fi

printf '\n2. The licences of everything that Oarlock is built from\n\n'
"$oarlock" run examples/dependency-licences.yaml -i project="$PWD" -i out="$here/licences" \
  -i cargo_home="${CARGO_HOME:-}" -i rustup_home="${RUSTUP_HOME:-}" --watch || failed=$?

printf '\nWhat the node remembers of it:\n\n'
"$oarlock" runs list --all || failed=$?

printf '\n'
stop
cat <<TEXT
Results
  .oarlock-demo/packages/report.html    the packages of this machine, for a browser
  .oarlock-demo/packages/report.md      the same for a terminal
  .oarlock-demo/licences/report.md      the licences

The node was stopped. Start it again, with everything it remembers:
  $oarlock server --data .oarlock-demo/node
then, in another terminal:
  $oarlock runs list --all
  curl http://127.0.0.1:6270/api/v1/runs
TEXT
[ "$failed" -eq 0 ] || echo "A workflow did not end well: see above, and .oarlock-demo/node.log" >&2
exit "$failed"
