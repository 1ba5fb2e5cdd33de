#!/bin/sh
# What `make demo` shows: three nodes, two workflows over real data, and the node that drives the first one killed in the middle.
#
# demo.sh OARLOCK, the program's path. The nodes keep their data in .oarlock-demo/ of the folder it is called from, listen on free
# ports of this machine alone, and are asked to stop at the end, however the end comes.
set -eu

oarlock=${1:?the path of the program}
here=$PWD/.oarlock-demo
mkdir -p "$here"
rm -rf "$here/cluster" "$here/orders"
mkfifo "$here/orders"

# Three processes, started and watched by a fourth one that takes orders from a pipe.
"$oarlock" dev --nodes 3 --port 0 --data "$here/cluster" \
  < "$here/orders" > "$here/said" 2> "$here/cluster.log" &
cluster=$!
exec 3> "$here/orders"
# Ctrl-C reaches it as well; waiting for it keeps its farewell from being cut off.
stop() {
  kill "$cluster" 2>/dev/null || true
  wait "$cluster" 2>/dev/null || true
  exec 3>&-
  rm -f "$here/orders"
}
trap 'stop; exit 130' INT TERM

# wait_for WORDS TENTHS: until the cluster has said them; until then it may only end, not be slow for ever.
wait_for() {
  tries=0
  until grep -q "$1" "$here/said" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt "$2" ] || ! kill -0 "$cluster" 2>/dev/null; then return 1; fi
    sleep 0.1
  done
}

if ! wait_for '"event":"ready"' 900; then
  echo "the nodes did not become ready; they said:" >&2
  cat "$here/cluster.log" "$here"/cluster/*.log >&2 2>/dev/null || true
  stop
  exit 1
fi
OARLOCK_ADDR=$(sed -n 's/.*"addr":"\([^"]*\)".*/\1/p' "$here/said")
export OARLOCK_ADDR

echo "Three nodes are one cluster, and any of them answers."
failed=0
"$oarlock" cluster status --output table || failed=$?

# Kills whoever drives a workflow as soon as a task of it runs, and says whom.
kill_owner() {
  tries=0
  until "$oarlock" tasks list --where 'status == "running"' --output name 2>/dev/null | grep -q .; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ]; then return; fi
    sleep 0.05
  done
  owner=$("$oarlock" roles list --output csv --columns name,node | tr -d '\r' | sed -n "s/^dag-$1-1-of-1,//p")
  echo "$owner" > "$here/killed"
  echo "nodes kill $owner" >&3
}

if [ -r /var/lib/dpkg/status ]; then
  first=debian-packages second=dependency-licences
  what='The packages of this machine, from its package database'
else
  first=dependency-licences second=
  what='The licences of everything that Oarlock is built from'
fi
run() {
  case $1 in
    debian-packages) set -- "$1" -i out="$here/packages" ;;
    *) set -- "$1" -i project="$PWD" -i out="$here/licences" \
      -i cargo_home="${CARGO_HOME:-}" -i rustup_home="${RUSTUP_HOME:-}" ;;
  esac
  name=$1
  shift
  "$oarlock" run "examples/$name.yaml" "$@" --watch || failed=$?
}

printf '\n1. %s; in the middle of it the node that drives it is killed (kill -9)\n\n' "$what"
rm -f "$here/killed"
kill_owner "$first" &
killer=$!
run "$first"
wait "$killer" || true

printf '\nWhat happened meanwhile\n\n'
if wait_for '^! .*was killed' 600; then
  grep '^! .*was killed' "$here/said" | sed 's/^! /  /'
  printf '\n  The dead node is started again: '
  owner=$(cat "$here/killed")
  echo "nodes start $owner" >&3
  if wait_for "$owner is back" 600; then echo "$owner is back."; else failed=1; fi
else
  echo "  Nothing was killed: the workflow was over before." >&2
  failed=1
fi

if [ -n "$second" ]; then
  printf '\n2. The licences of everything that Oarlock is built from\n\n'
  run "$second"
fi

printf '\nWhat the cluster remembers of it\n\n'
"$oarlock" runs list --all || failed=$?

stop
cat <<TEXT

Results
  .oarlock-demo/packages/report.html    the packages of this machine, for a browser
  .oarlock-demo/packages/report.md      the same for a terminal
  .oarlock-demo/licences/report.md      the licences

The nodes were stopped; their data is in .oarlock-demo/cluster. To break such a cluster by hand:
  $oarlock dev --nodes 3 --demo
TEXT
[ "$failed" -eq 0 ] || echo "Something did not end well: see above, and .oarlock-demo/cluster.log" >&2
exit "$failed"
