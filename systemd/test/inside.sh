#!/usr/bin/env bash
# What the units promise, checked under a systemd that runs them. Started by boot.sh inside of the
# container; ends at the first promise that does not hold.
set -euo pipefail

unit=microcms-backup.service
once=microcms-backup-sync.service
check=microcms-backup-verify.service
etc=/etc/microcms-backup
state=/var/lib/private/microcms-backup
key=0123456789abcdef0123456789abcdef0123

failed() {
    echo "FAILED: $1"
    systemctl status --no-pager --full "$unit" "$once" "$check" || true
    journalctl --no-pager --lines=60 --unit="$unit" --unit="$once" --unit="$check" || true
    exit 1
}

# holds WHAT COMMAND…
holds() {
    local what=$1
    shift
    "$@" >/tmp/said 2>&1 || { cat /tmp/said; failed "$what"; }
    echo "ok: $what"
}

# within SECONDS COMMAND…: until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

of() { systemctl show --property="$2" --value "$1"; }
is() { [ "$(of "$1" "$2")" = "$3" ]; }
isnt() { ! is "$@"; }
# systemd remembers the last words of one that died: it must be running, too.
is_safe() { is "$unit" ActiveState active && [[ $(of "$unit" StatusText) == "SAFE as of "* ]]; }
files() { find "$state/backup/mirror" -type f -not -path '*/.tmp/*' 2>/dev/null | wc -l; }
has_files() { [ "$(files)" -ge "$1" ]; }
said() { journalctl --no-pager --unit="${2:-$unit}" | grep -q -- "$1"; }
nowhere() { ! "$@"; }

# drop_in UNIT TEXT
drop_in() {
    mkdir -p "/etc/systemd/system/$1.d"
    printf '%s\n' "$2" >"/etc/systemd/system/$1.d/test.conf"
    systemctl daemon-reload
}

# The service, with the key that it wants and addresses on this machine.
systemd-run --quiet --unit=sim --property=StandardOutput=file:/run/sim microcms-sim serve \
    --service-id demo --api-key "$key" --media 400 --media-size 20000-40000 \
    --contents blog=5 --no-budgets
within 10 grep -q ASSETS__HOSTS /run/sim || failed "the simulator starts"
address() { sed -n "s|^export MICROCMS_BACKUP__$1=||p" /run/sim; }
hosts=$(address ASSETS__HOSTS | sed 's|,|", "|g')
configure() { # CRON
    cat >"$etc/config.toml" <<TOML
[service]
id = "demo"
management_url = "$(address SERVICE__MANAGEMENT_URL)"
content_url = "$(address SERVICE__CONTENT_URL)"
[schedule]
cron = "$1"
[assets]
hosts = ["$hosts"]
TOML
}
mkdir -p "$etc"
configure '0 0 0 1 1 *'
install -m600 /dev/stdin "$etc/api-key" <<<"$key"
# Quicker than in earnest: seconds instead of minutes.
drop_in "$unit" $'[Service]\nWatchdogSec=3\nRestartSec=1'

holds "the daemon gets ready" timeout 30 systemctl start "$unit"
holds "systemd sees it running" is "$unit" SubState running
within 30 has_files 5 || failed "a first run begins"
pid=$(of "$unit" MainPID)
systemctl kill --signal=KILL "$unit"
holds "killed in its first run, it comes back" within 20 isnt "$unit" MainPID "$pid"
holds "and heals: everything is saved and proven" within 60 is_safe
holds "every file is there" [ "$(files)" -eq 400 ]
holds "the status names the next run" grep -q 'next run at' <<<"$(of "$unit" StatusText)"

pid=$(of "$unit" MainPID)
holds "the key came as a credential" [ -s "/run/credentials/$unit/api-key" ]
holds "the environment does not have it" nowhere grep -qs "$key" "/proc/$pid/environ" "/proc/$pid/cmdline"
holds "no file of the backup has it" nowhere grep -rqs "$key" "$state"
holds "its log does not have it" nowhere grep -q "$key" <<<"$(journalctl --no-pager --output=export --unit="$unit")"

holds "log lines are the journal's own" grep -q '"MICROCMS_OUTCOME":"complete"' \
    <<<"$(journalctl --no-pager --output=json --unit="$unit")"
holds "they have their level" grep -q 'MICROCMS_OUTCOME=complete' \
    <<<"$(journalctl --no-pager --output=export --unit="$unit" PRIORITY=6)"

# A user that exists only meanwhile.
uid=$(stat --format=%u "$state")
holds "it is not root" [ "$uid" -ge 61184 ]
holds "all of the state is its own" [ -z "$(find "$state" -not -uid "$uid")" ]
holds "nobody else may read it" [ -z "$(find "$state" -mindepth 1 -perm /077)" ]
holds "nor look into it" [ "$(stat --format=%a "$state")" = 700 ]

# The same box with another content: what can be written in it? (/tmp and /var/tmp are its own and go
# with it.)
sed -e '/^Type=/d; /^Watchdog/d; /^Restart/d; /^ExecReload=/d' \
    -e 's|^ExecStart=.*|Type=oneshot\nStandardOutput=file:/run/writable\nStandardError=null\nExecStart=/usr/bin/find / '"\
( -path /proc -o -path /sys ) -prune -o -writable -not -type l -not -type s -print|" \
    "/etc/systemd/system/$unit" >/etc/systemd/system/probe.service
systemctl daemon-reload
# It may not look everywhere, which find calls a failure.
systemctl start probe.service 2>/dev/null || true
outside=$(grep -Ev \
    '^(/var/lib/(private/)?microcms-backup(/.*)?|/tmp|/var/tmp|/dev/(null|zero|full|random|urandom|tty|pts/ptmx))$' \
    /run/writable || true)
holds "the probe saw the state directory" grep -q '^/var/lib/private/microcms-backup' /run/writable
holds "nothing can be written outside of it: $outside" [ -z "$outside" ]

alive=$(of "$unit" WatchdogTimestampMonotonic)
holds "it tells that it is alive" within 5 isnt "$unit" WatchdogTimestampMonotonic "$alive"
holds "and is believed" is "$unit" MainPID "$pid"
systemctl kill --signal=STOP "$unit"
holds "one that hangs is begun again" within 30 isnt "$unit" MainPID "$pid"
holds "by the watchdog" said 'Watchdog timeout'
holds "and is safe again" within 60 is_safe

configure 'soon'
systemctl reload "$unit"
holds "a bad configuration is named" within 10 said 'soon. is not a cron line'
holds "and changes nothing" is "$unit" ActiveState active
configure '*/2 * * * * *'
systemctl reload "$unit"
holds "a good one counts" within 30 said 'a run begins (schedule)'
holds "reloaded" within 10 is "$unit" ActiveState active

begun=${EPOCHREALTIME/./}
systemctl stop "$unit"
took=$(((${EPOCHREALTIME/./} - begun) / 1000))
holds "a stop takes less than 5 s ($took ms)" [ "$took" -lt 5000 ]
holds "and is clean" is "$unit" Result success
holds "with exit code 0" is "$unit" ExecMainStatus 0

drop_in "${once%.service}.timer" $'[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=100ms'
systemctl start "${once%.service}.timer"
holds "the timer fires" within 60 [ -s "$state/last-report.json" ]
systemctl stop "${once%.service}.timer"
holds "the one-shot succeeds" within 60 said 'Finished ' "$once"
# The timer may have begun another one just before it was stopped.
holds "and ends" within 60 is "$once" ActiveState inactive
holds "the one-shot's files are the same user's alone" [ -z "$(find "$state" -mindepth 1 -perm /077)" ]

drop_in "${check%.service}.timer" $'[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=100ms'
systemctl start "${check%.service}.timer"
holds "the timer of verify fires" within 60 said 'VERIFIED: ' "$check"
systemctl stop "${check%.service}.timer"
holds "it ends" within 60 is "$check" ActiveState inactive
holds "and has noted what it found" nowhere said 'not recorded' "$check"
holds "which status tells" grep -q '^verified .* no difference' <<<"$(cd "$state" && microcms-backup status)"
holds "the backup is still the same user's alone" [ -z "$(find "$state" -not -uid "$(stat --format=%u "$state")")" ]
echo >"$state/backup/mirror/stray"
holds "a difference fails it" nowhere systemctl start "$check"
holds "with exit code 6" is "$check" ExecMainStatus 6
holds "and is named" said 'unknown .*mirror/stray' "$check"
rm "$state/backup/mirror/stray"

systemd-run --quiet --unit=holder flock "$state/backup/backup.sqlite3.lock" sleep 60
within 10 nowhere flock --nonblock "$state/backup/backup.sqlite3.lock" true || failed "the lock is held"
holds "a one-shot beside another run is no failure" systemctl start "$once"
holds "though it says so" said 'another run holds' "$once"
systemctl stop holder.service

echo wrong >"$etc/api-key"
holds "a refused key fails the one-shot" nowhere systemctl start "$once"
holds "with exit code 4" is "$once" ExecMainStatus 4
holds "and is not tried again" is "$once" NRestarts 0
configure 'soon'
holds "a bad configuration fails the one-shot" nowhere systemctl start "$once"
holds "with exit code 2" is "$once" ExecMainStatus 2
holds "and the start of the daemon" nowhere systemctl start "$unit"
holds "with exit code 2, too" is "$unit" ExecMainStatus 2
holds "which ends it for good" is "$unit" ActiveState failed
holds "at the level of errors" grep -q 'is not a cron line' \
    <<<"$(journalctl --no-pager --priority=err --unit="$unit")"

for each in "$unit" "$once" "$check"; do
    holds "$each is exposed by 1.2 at most" systemd-analyze security --no-pager --threshold=12 "$each"
done
echo "all checks passed in $SECONDS s"
