#!/usr/bin/env bash
# Opens a snapshot in the real Datasette, with a real browser:
#   contrib/datasette/test.sh [microcms-backup] [FOLDER of a demo] [FOLDER for screenshots]
#
# The folder of a demo is what `cargo run --release --example demo -- FOLDER` leaves. Datasette and
# selenium come from PyPI into a temporary environment; Chromium and its driver are Debian's.
#
# Exit code: 0 all is well · 1 a check failed · 77 no Python, Chromium or driver here; nothing was checked
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath -m "${1:-$here/../../target/debug/microcms-backup}")
demo=$(realpath -m "${2:-demo-backup}")
pictures=$(realpath -m "${3:-$here/../../target/datasette}")
for tool in python3 /usr/bin/chromium /usr/bin/chromedriver; do
    command -v "$tool" >/dev/null || { echo "there is no $tool here"; exit 77; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python" || { echo "python3 cannot make an environment here"; exit 77; }
"$work/python/bin/pip" install --quiet --disable-pip-version-check \
    --requirement "$here/requirements.txt" || { echo "PyPI cannot be reached"; exit 77; }

echo "-- a snapshot"
cat >"$work/config.toml" <<END
[service]
id = "$(python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT value FROM meta WHERE key = ?", ["service_id"]).fetchone()[0])' \
    "$demo/backup.sqlite3")"
[storage]
database = "$demo/backup.sqlite3"
mirror = "$demo/mirror"
archive = "$demo/archive"
END
"$program" --config "$work/config.toml" snapshot "$work/microcms.sqlite3"

echo "-- Datasette, in Chromium"
"$work/python/bin/python" "$here/check.py" "$work/python/bin/datasette" "$work/microcms.sqlite3" \
    "$here/metadata.yaml" "$pictures"
echo "screenshots: $(cd "$pictures" && echo *.png)"
