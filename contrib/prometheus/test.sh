#!/usr/bin/env bash
# Holds metrics, rules and dashboard against the real tools:
#   contrib/prometheus/test.sh [microcms-backup] [microcms-sim]      (default: those in target/debug)
#
# promtool checks the rules, their tests, and the text of a scrape and of a file for node_exporter. A real
# Prometheus scrapes a daemon that backs the simulator up, evaluates the rules, and is asked every
# question of the dashboard. Wants prometheus (Debian brings promtool with it), curl and jq.
#
# Exit code: 0 all is well · 1 a check failed · 77 there is no promtool; nothing was checked
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath -m "${1:-$here/../../target/debug/microcms-backup}")
simulator=$(realpath -m "${2:-$here/../../target/debug/microcms-sim}")
for tool in promtool curl jq; do
    command -v "$tool" >/dev/null || { echo "there is no $tool here"; exit 77; }
done

work=$(mktemp -d)
started=()
finish() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "FAILED: $1" >&2
    tail -n 20 "$work"/*.log >&2
    exit 1
}

# until WHAT COMMAND…: tries for 30 seconds.
until_it() {
    local what=$1 end=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "$what"
        sleep 0.2
    done
}

echo "-- rules"
(cd "$here" && promtool check rules alerts.yml && promtool test rules alerts.test.yml)

echo "-- a daemon, scraped"
cd "$work"
"$simulator" serve --media 30 >sim.log 2>&1 &
started+=($!)
until_it "the simulator starts" grep -q 'Ctrl-C' sim.log
eval "$(grep '^export ' sim.log)"
export MICROCMS_BACKUP__HEALTH__LISTEN=127.0.0.1:0 MICROCMS_BACKUP__SCHEDULE__CRON='0 0 0 1 1 *'
export MICROCMS_BACKUP__LIMITS__MONTHLY_TRANSFER=1GiB
"$program" daemon >daemon.log 2>&1 &
started+=($!)
until_it "the daemon listens" grep -q 'health is told at' daemon.log
address=$(sed -n 's|.*health is told at http://\([0-9.:]*\): .*|\1|p' daemon.log)
until_it "a run is complete" curl -fsS "http://$address/healthz"
curl -fsS "http://$address/healthz"
curl -fsS "http://$address/metrics" >scrape
promtool check metrics <scrape
grep -c '^microcms_backup_' scrape

echo "-- a file for node_exporter"
"$program" -q sync --wait-lock 1m --metrics-file file.prom >/dev/null
promtool check metrics <file.prom

if ! command -v prometheus >/dev/null; then
    echo "there is no prometheus here: not scraped by a real one"
    exit 0
fi
echo "-- $(prometheus --version 2>&1 | head -n 1 | cut -d'(' -f1)"
cat >prometheus.yml <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$here/alerts.yml"]
scrape_configs:
  - job_name: microcms-backup
    static_configs: [{targets: ["$address"]}]
YAML
port=$((20000 + RANDOM % 10000))
prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port" \
    >prometheus.log 2>&1 &
started+=($!)
ask() {
    curl -fsS "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1"
}
answers() {
    ask "$1" | jq -e '.data.result | length > 0' >/dev/null
}
until_it "Prometheus scrapes the daemon" answers 'up{job="microcms-backup"} == 1'
until_it "it knows of the backup" answers 'microcms_backup_last_complete_run_timestamp_seconds > 0'
until_it "the backup is young" answers \
    'time() - microcms_backup_last_complete_run_timestamp_seconds < microcms_backup_max_age_seconds'
until_it "the rules are evaluated" answers 'prometheus_rule_group_last_evaluation_timestamp_seconds > 0 or up'
curl -fsS "http://127.0.0.1:$port/api/v1/rules" >rules
jq -e '[.data.groups[].rules[] | select(.lastError != null and .lastError != "")] | length == 0' rules >/dev/null ||
    fail "a rule cannot be evaluated"
jq -e '[.data.groups[].rules[] | select(.state == "firing")] | length == 0' rules >/dev/null ||
    fail "something is wrong with a good backup"
jq -r '.panels[].targets[].expr' "$here/../grafana/dashboard.json" >questions
while IFS= read -r question; do
    question=${question//\$instance/.*}
    question=${question//\$__rate_interval/1m}
    ask "$question" >answer || fail "the dashboard asks what Prometheus does not understand: $question"
    # Rates want two scrapes some time apart, and some things are there only now and then.
    jq -e '.status == "success"' answer >/dev/null || fail "$question"
done <questions
echo "$(wc -l <questions) questions of the dashboard are understood, no alert fires"
