# What somebody would write today: lists media and contents and keeps their JSON in SQLite.
# Arguments: the Management API's URL, the Content API's, the key. Works in the current folder.
set -euo pipefail
management=$1 content=$2 header="X-MICROCMS-API-KEY: $3"
rm -f media.csv contents.csv
url="$management/api/v2/media?limit=100"
while :; do
    curl -sS --fail --retry 5 --compressed -H "$header" "$url" -o page.json
    [ "$(jq '.media | length' page.json)" -gt 0 ] || break
    jq -r '.media[] | [.id, .url, .updatedAt, tojson] | @csv' page.json >>media.csv
    token=$(jq -r '.token // "" | @uri' page.json)
    [ -n "$token" ] || break
    url="$management/api/v2/media?token=$token"
done
offset=0
while :; do
    curl -sS --fail --retry 5 --compressed -H "$header" "$content/api/v1/blog?limit=100&offset=$offset" -o page.json
    found=$(jq '.contents | length' page.json)
    [ "$found" -gt 0 ] || break
    jq -r '.contents[] | ["blog", .id, .updatedAt, tojson] | @csv' page.json >>contents.csv
    offset=$((offset + found))
done
sqlite3 copy.sqlite3 <<'SQL'
CREATE TABLE IF NOT EXISTS media (id TEXT PRIMARY KEY, url TEXT, updated TEXT, json TEXT);
CREATE TABLE IF NOT EXISTS contents (api TEXT, id TEXT, updated TEXT, json TEXT, PRIMARY KEY (api, id));
CREATE TEMP TABLE m (id, url, updated, json);
CREATE TEMP TABLE c (api, id, updated, json);
.mode csv
.import media.csv m
.import contents.csv c
BEGIN;
INSERT OR REPLACE INTO media SELECT * FROM m;
INSERT OR REPLACE INTO contents SELECT * FROM c;
COMMIT;
SQL
