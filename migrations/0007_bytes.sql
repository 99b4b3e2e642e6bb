-- The same answers from a smaller file: what can be computed is not stored, and an index holds a short
-- part of a long text where a look at the row tells the rest.
--
-- "Near" is that short part of a path: the ends of its folder and of its name, eight and six characters. Few
-- paths share it, however many files are called alike. SQLite takes an index on an expression only where
-- the same expression is asked for, word for word, and of the same kind as what it is compared with: hence CAST.

DROP VIEW media_uses;
DROP VIEW media_unused;
DROP VIEW references_missing;

------------------------------------------------------------------------ paths of media

-- What a medium's URL and the name of its file say by themselves: the name is the URL's decoded end, and the
-- folder stands in the URL as it is. Of odd media, which have a row in `media_odd_paths`, it is wrong.
CREATE VIEW media_plain_paths AS
SELECT id AS media_id,
       lower(substr(url, instr(url, '//') + 2, instr(substr(url, 9), '/') + 6 - instr(url, '//'))) AS host,
       substr(rtrim(url, replace(url, '/', '')), instr(substr(url, 9), '/') + 8) || file_name AS path,
       CAST(substr(rtrim(url, replace(url, '/', '')), -9, 8) || substr(file_name, -6) AS TEXT) AS near,
       file_name, deleted_at
FROM media;

-- The path of each medium's URL where it is not what `media_plain_paths` says; NULL: the URL has none.
CREATE TABLE media_odd_paths (
    media_id TEXT PRIMARY KEY NOT NULL,
    host     TEXT,
    path     TEXT,
    near     TEXT GENERATED ALWAYS AS (
        substr(rtrim(path, replace(path, '/', '')), -9, 8)
        || substr(replace(path, rtrim(path, replace(path, '/', '')), ''), -6)) VIRTUAL
) STRICT, WITHOUT ROWID;

-- What is here is the truth, and what would not be computed just so is odd. Its `near` has to be the same, too.
INSERT INTO media_odd_paths (media_id, host, path)
SELECT p.media_id, known.host, known.path
FROM media_plain_paths AS p LEFT JOIN media_paths AS known ON known.media_id = p.media_id
WHERE p.host IS NOT known.host OR p.path IS NOT known.path
   OR p.near IS NOT substr(rtrim(p.path, replace(p.path, '/', '')), -9, 8)
        || substr(replace(p.path, rtrim(p.path, replace(p.path, '/', '')), ''), -6);
DROP TABLE media_paths;
CREATE INDEX media_odd_paths_by_path ON media_odd_paths (path) WHERE path IS NOT NULL;
CREATE INDEX media_by_near ON media (
    CAST(substr(rtrim(url, replace(url, '/', '')), -9, 8) || substr(file_name, -6) AS TEXT)
);

-- The path of each medium's URL, percent-decoded and without its host: the same file has other hosts in
-- other places (custom domains, file fields), and bodies keep the host of the day they were written on.
CREATE VIEW media_paths AS
SELECT media_id, host, path FROM media_plain_paths AS p
WHERE path IS NOT NULL AND NOT EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = p.media_id)
UNION ALL
SELECT media_id, host, path FROM media_odd_paths WHERE path IS NOT NULL;

-- The name of the file counts, too.
DROP TRIGGER media_unread_on_update;
CREATE TRIGGER media_unread_on_update AFTER UPDATE ON media
WHEN OLD.url IS NOT NEW.url OR OLD.file_name IS NOT NEW.file_name OR OLD.id IS NOT NEW.id
BEGIN
    INSERT INTO unread (kind, scope, id) VALUES ('medium', '', OLD.id), ('medium', '', NEW.id) ON CONFLICT DO NOTHING;
END;

------------------------------------------------------------------------ references

CREATE TABLE references_before AS SELECT * FROM media_references;
DROP TABLE media_references;

-- Each place of a current body that names a file by its URL. Whose file that is, is told by
-- `media_paths`: it may change while the body stays as it is.
CREATE TABLE media_references (
    endpoint TEXT NOT NULL,
    id       TEXT NOT NULL,
    side     TEXT NOT NULL CHECK (side IN ('published', 'draft')),
    field    TEXT NOT NULL,       -- where in the body, such as $.gallery[2].url
    place    TEXT NOT NULL CHECK (place IN ('field', 'html', 'text')),
    url      TEXT NOT NULL,       -- as it stands there
    odd_host TEXT,                -- where the URL's text does not tell host and path just so; NULL: it does
    odd_path TEXT,
    odd_name TEXT,                -- or, where the URL encodes nothing else, the decoded end of the path
    host     TEXT GENERATED ALWAYS AS (coalesce(odd_host,
        lower(substr(url, instr(url, '//') + 2, instr(substr(url, 9), '/') + 6 - instr(url, '//'))))) VIRTUAL,
    -- Percent-decoded, without host and query.
    path     TEXT GENERATED ALWAYS AS (CASE
        WHEN odd_path IS NOT NULL THEN odd_path
        WHEN odd_name IS NULL
        THEN substr(substr(url, 1, instr(url || '?', '?') - 1), instr(substr(url, 9), '/') + 8)
        ELSE substr(rtrim(substr(url, 1, instr(url || '?', '?') - 1),
                replace(substr(url, 1, instr(url || '?', '?') - 1), '/', '')), instr(substr(url, 9), '/') + 8)
            || odd_name END) VIRTUAL,
    near     TEXT GENERATED ALWAYS AS (
        substr(rtrim(path, replace(path, '/', '')), -9, 8)
        || substr(replace(path, rtrim(path, replace(path, '/', '')), ''), -6)) VIRTUAL
) STRICT;
INSERT INTO media_references (rowid, endpoint, id, side, field, place, url)
SELECT rowid, endpoint, id, side, field, place, url FROM references_before;
-- The end of the path alone first, and all of it where that is not the path either.
UPDATE media_references AS r
SET odd_name = replace(known.path, rtrim(known.path, replace(known.path, '/', '')), '')
FROM references_before AS known
WHERE known.rowid = r.rowid AND known.host IS r.host AND known.path IS NOT r.path;
UPDATE media_references AS r SET odd_host = known.host, odd_path = known.path, odd_name = NULL
FROM references_before AS known
WHERE known.rowid = r.rowid AND (known.host IS NOT r.host OR known.path IS NOT r.path);
DROP TABLE references_before;
CREATE INDEX media_references_by_content ON media_references (endpoint, id);
CREATE INDEX media_references_by_near ON media_references (near);

------------------------------------------------------------------------ views

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

------------------------------------------------------------------------ indexes

-- Whose file is this? Asked before each new file takes its path, by `near` and the path itself.
DROP INDEX assets_by_path;
CREATE INDEX assets_by_near ON assets (
    substr(rtrim(path, replace(path, '/', '')), -9, 8)
    || substr(replace(path, rtrim(path, replace(path, '/', '')), ''), -6)
) WHERE path IS NOT NULL;
-- Whose bytes are these? Asked by the digest's beginning and the digest itself.
DROP INDEX assets_by_sha256;
CREATE INDEX assets_by_digest ON assets (substr(sha256, 1, 12)) WHERE sha256 IS NOT NULL;
-- A superseded version of a medium is short: what the index leaves open is decided with a look at the row.
DROP INDEX media_history_by_id;
CREATE INDEX media_history_by_id ON media_history (id);
DROP INDEX media_history_by_start;
CREATE INDEX media_history_by_start ON media_history (valid_from);

------------------------------------------------------------------------ search

-- The text comes first: a position in the first column is noted without the column's number.
DROP TABLE contents_search;
CREATE VIRTUAL TABLE contents_search USING fts5 (
    text, endpoint UNINDEXED, id UNINDEXED, side UNINDEXED,
    content = 'content_texts', content_rowid = 'rowid', tokenize = 'trigram'
);
INSERT INTO contents_search (contents_search) VALUES ('rebuild');
