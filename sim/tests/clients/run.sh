#!/bin/sh
# Runs the official clients of microCMS against the simulator.
# Usage: run.sh [PATH_OF_THE_SIMULATOR]   (default: the debug build of this workspace)
set -eu
cd "$(dirname "$0")"
sim=${1:-${CARGO_TARGET_DIR:-../../../target}/debug/microcms-sim}
[ -x "$sim" ] || { echo "run.sh: $sim is not there; build it with: cargo build -p microcms-sim" >&2; exit 2; }
npm install --no-audit --no-fund --loglevel=error

said=$(mktemp)
# Budgets are off: the tests are about answers, and would mostly wait.
"$sim" serve --media 250 --no-budgets >"$said" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; rm -f "$said"' EXIT INT TERM
tries=0
until grep -q 'Ctrl-C' "$said"; do
  kill -0 "$pid" 2>/dev/null || { echo "run.sh: the simulator ended" >&2; exit 1; }
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || { echo "run.sh: the simulator does not start" >&2; exit 1; }
  sleep 0.1
done
eval "$(grep '^export ' "$said")"
SIM_ADMIN_URL=$(sed -n 's/^ *admin *//p' "$said")
export SIM_ADMIN_URL

node --import ./hosts.mjs --test js-sdk.test.mjs mcp-server.test.mjs
