-- "Near" for a tenth of the work: where a path's last slash is, `rtrim` found by comparing each character of
-- the name with each one of the path. As a list of JSON the path falls apart in one go, and `json_quote` leaves no
-- slash and no quote that could part it anywhere else. What it holds is the same, but for a folder whose own name is
-- shorter than eight characters: then only that.

DROP VIEW media_uses;
DROP VIEW media_unused;
DROP VIEW references_missing;
DROP VIEW media_paths;
DROP VIEW media_plain_paths;
DROP INDEX media_by_near;
DROP INDEX media_references_by_near;
DROP INDEX assets_by_near;

ALTER TABLE media_odd_paths DROP COLUMN near;
ALTER TABLE media_odd_paths ADD COLUMN near TEXT GENERATED ALWAYS AS (
        substr(json_extract('[' || replace(json_quote(path), '/', '","') || ']', '$[#-2]'), -8)
        || substr(json_extract('[' || replace(json_quote(path), '/', '","') || ']', '$[#-1]'), -6)) VIRTUAL;
ALTER TABLE media_references DROP COLUMN near;
ALTER TABLE media_references ADD COLUMN near TEXT GENERATED ALWAYS AS (
        substr(json_extract('[' || replace(json_quote(path), '/', '","') || ']', '$[#-2]'), -8)
        || substr(json_extract('[' || replace(json_quote(path), '/', '","') || ']', '$[#-1]'), -6)) VIRTUAL;

-- What a medium's URL and the name of its file say by themselves: the name is the URL's decoded end, and the
-- folder stands in the URL as it is. Of odd media, which have a row in `media_odd_paths`, it is wrong.
CREATE VIEW media_plain_paths AS
SELECT id AS media_id,
       lower(substr(url, instr(url, '//') + 2, instr(substr(url, 9), '/') + 6 - instr(url, '//'))) AS host,
       substr(rtrim(url, replace(url, '/', '')), instr(substr(url, 9), '/') + 8) || file_name AS path,
       CAST(substr(json_extract('[' || replace(json_quote(url), '/', '","') || ']', '$[#-2]'), -8) || substr(file_name, -6) AS TEXT) AS near,
       file_name, deleted_at
FROM media;

-- The path of each medium's URL, percent-decoded and without its host: the same file has other hosts in
-- other places (custom domains, file fields), and bodies keep the host of the day they were written on.
CREATE VIEW media_paths AS
SELECT media_id, host, path FROM media_plain_paths AS p
WHERE path IS NOT NULL AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = p.media_id)
UNION ALL
SELECT media_id, host, path FROM media_odd_paths WHERE path IS NOT NULL;

CREATE INDEX media_by_near ON media (
    CAST(substr(json_extract('[' || replace(json_quote(url), '/', '","') || ']', '$[#-2]'), -8) || substr(file_name, -6) AS TEXT)
);
CREATE INDEX media_references_by_near ON media_references (near);
-- A path without a folder has a place here, too.
CREATE INDEX assets_by_near ON assets (
    ifnull(substr(json_extract('[' || replace(json_quote(path), '/', '","') || ']', '$[#-2]'), -8), '')
    || substr(json_extract('[' || replace(json_quote(path), '/', '","') || ']', '$[#-1]'), -6)
) WHERE path IS NOT NULL;

------------------------------------------------------------------------ views, as they were

-- Which content uses which medium, and where.
CREATE VIEW media_uses AS
SELECT p.media_id, p.file_name, p.deleted_at AS medium_deleted_at, r.endpoint, r.id, r.side, r.field, r.place, r.url
FROM media_references AS r
JOIN media_plain_paths AS p ON p.near = r.near AND p.path = r.path
WHERE NOT EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = p.media_id)
UNION ALL
SELECT m.id, m.file_name, m.deleted_at, r.endpoint, r.id, r.side, r.field, r.place, r.url
FROM media_references AS r
JOIN media_odd_paths AS o ON o.path = r.path AND o.near = r.near
JOIN media AS m ON m.id = o.media_id;

-- Media that no current content names, drafts included. While bodies are owed the answer is not certain: one
-- of them may name the medium.
CREATE VIEW media_unused AS
SELECT m.id, m.file_name, m.url, a.bytes, m.created_at, m.updated_at, m.valid_from AS backed_up_at,
       (SELECT count(*) FROM owed_bodies) AS bodies_owed
FROM media AS m
LEFT JOIN assets AS a ON a.media_id = m.id
WHERE m.deleted_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM media_plain_paths AS p JOIN media_references AS r ON r.near = p.near AND r.path = p.path
                  WHERE p.media_id = m.id
                    AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = p.media_id))
  AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o JOIN media_references AS r ON r.near = o.near AND r.path = o.path
                  WHERE o.media_id = m.id);

-- Places that name a file of the service which is not in its media list (any more). `media_id` and `deleted_at`
-- tell which medium it was, where that is known. URLs of other sites are not looked at.
CREATE VIEW references_missing AS
SELECT endpoint, id, side, field, place, url, media_id,
       (SELECT max(deleted_at) FROM (
            SELECT p.deleted_at FROM media_plain_paths AS p
            WHERE p.near = r.near AND p.path = r.path
              AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = p.media_id)
            UNION ALL
            SELECT m.deleted_at FROM media_odd_paths AS o JOIN media AS m ON m.id = o.media_id
            WHERE o.path = r.path)) AS deleted_at
FROM (SELECT *, (SELECT min(media_id) FROM (
                     SELECT p.media_id FROM media_plain_paths AS p
                     WHERE p.near = q.near AND p.path = q.path
                       AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = p.media_id)
                     UNION ALL
                     SELECT o.media_id FROM media_odd_paths AS o WHERE o.path = q.path)) AS media_id
      FROM media_references AS q
      WHERE NOT EXISTS (SELECT 1 FROM media_plain_paths AS p
                        WHERE p.near = q.near AND p.path = q.path AND p.deleted_at IS NULL
                          AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = p.media_id))
        AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o JOIN media AS m ON m.id = o.media_id
                        WHERE o.path = q.path AND m.deleted_at IS NULL)) AS r
WHERE path GLOB '/assets/?*/?*/?*' OR media_id IS NOT NULL OR host IN (SELECT host FROM media_paths);
