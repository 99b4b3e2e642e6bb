#!/usr/bin/env bash
# Boots a real systemd in a throw-away container and holds the units against it:
#   systemd/test/boot.sh [microcms-backup] [microcms-sim]      (default: those in target/release)
#
# The container is this machine's own root folder under a layer in memory (overlay), with its own
# processes and a network of its own (systemd-nspawn); nothing of what happens in it stays. What is
# checked stands in inside.sh. Needs root, systemd and systemd-nspawn (Debian: systemd-container).
#
# Exit code: 0 all is well · 1 a check failed · 77 this machine cannot boot a container; nothing was checked
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = --boot ]; then
    program=$3 simulator=$4
else
    program=$(realpath -m "${1:-$here/../../target/release/microcms-backup}")
    simulator=$(realpath -m "${2:-$here/../../target/release/microcms-sim}")
fi

cannot() {
    echo "$1"
    exit 77
}

# Within the private mounts: the layer, what is installed into it, the boot.
boot() {
    local work=$1 root=$1/root
    mkdir "$root" "$work/layer" "$work/out"
    mount -t tmpfs tmpfs "$work/layer" || return 77
    mkdir "$work/layer/upper" "$work/layer/work"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$work/layer/upper,workdir=$work/layer/work" "$root" ||
        return 77

    # Only systemd's own units, ours and the checks: no timers, no log-ins, no mounts of this machine.
    rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/fstab "$root"/etc/microcms-backup \
        "$root"/var/lib/private/microcms-backup "$root"/var/lib/microcms-backup
    local unit
    for unit in console-getty.service getty@.service systemd-sysctl.service systemd-logind.service; do
        ln -sfn /dev/null "$root/etc/systemd/system/$unit"
    done
    systemd-id128 new >"$root/etc/machine-id"
    install -m755 "$program" "$root/usr/local/bin/microcms-backup"
    install -m755 "$simulator" "$root/usr/local/bin/microcms-sim"
    install -m644 "$here"/../microcms-backup* "$root/etc/systemd/system/"
    install -Dm755 "$here/inside.sh" "$root/checks/inside.sh"
    cat >"$root/etc/systemd/system/checks.service" <<'UNIT'
[Unit]
Description=The checks of systemd/test/inside.sh
# The container ends with them, and with their exit code.
SuccessAction=exit
FailureAction=exit

[Service]
Type=oneshot
ExecStart=/checks/inside.sh
StandardOutput=append:/out/log
StandardError=inherit
TimeoutStartSec=240

[Install]
WantedBy=multi-user.target
UNIT
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -s ../checks.service "$root/etc/systemd/system/multi-user.target.wants/"

    # The time limit is for a container that does not even boot.
    timeout --kill-after=10 300 systemd-nspawn --quiet --directory="$root" --machine="checks-$$" \
        --register=no --keep-unit --private-network --link-journal=no --bind="$work/out:/out" \
        --boot systemd.unit=multi-user.target </dev/null >"$work/out/console" 2>&1
}

if [ "${1:-}" = --boot ]; then
    boot "$2"
    exit
fi

[ "$(id -u)" -eq 0 ] || cannot "booting a container needs root"
command -v systemd-nspawn >/dev/null || cannot "there is no systemd-nspawn here"
[ -x /lib/systemd/systemd ] || cannot "there is no systemd here"
for file in "$program" "$simulator"; do
    [ -x "$file" ] || { echo "there is no $file; cargo build --release --workspace" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
code=0
unshare --mount --propagation private "$0" --boot "$work" "$program" "$simulator" || code=$?
if [ ! -e "$work/out/log" ]; then
    tail -n 20 "$work/out/console" 2>/dev/null || true
    cannot "systemd did not boot in a container here (exit code $code)"
fi
cat "$work/out/log"
[ "$code" -eq 0 ] || { echo "the checks failed (exit code $code)" >&2; exit 1; }
