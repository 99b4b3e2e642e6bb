-- For people who open this file: which content mentions which medium, words to search for, and views
-- that answer what is asked most. docs/database.md explains all of it.

------------------------------------------------------------------------ what follows from bodies and URLs

-- What changed and was not looked through yet. The triggers below write it, whoever changes a row; the
-- program looks it through at the end of the same transaction, or when it opens the database next.
CREATE TABLE unread (
    kind  TEXT NOT NULL CHECK (kind IN ('content', 'medium')),
    scope TEXT NOT NULL,          -- the content's API; '' for a medium
    id    TEXT NOT NULL,
    PRIMARY KEY (kind, scope, id)
) STRICT, WITHOUT ROWID;

-- The path of each medium's URL, percent-decoded and without its host: the same file has other hosts in
-- other places (custom domains, file fields), and bodies keep the host of the day they were written on.
CREATE TABLE media_paths (
    media_id TEXT PRIMARY KEY NOT NULL,
    host     TEXT NOT NULL,
    path     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX media_paths_by_path ON media_paths (path);
CREATE INDEX media_paths_by_host ON media_paths (host);

-- Each place of a current body that names a file by its URL. Whose file that is, is told by
-- `media_paths`: it may change while the body stays as it is.
CREATE TABLE media_references (
    endpoint TEXT NOT NULL,
    id       TEXT NOT NULL,
    side     TEXT NOT NULL CHECK (side IN ('published', 'draft')),
    field    TEXT NOT NULL,       -- where in the body, such as $.gallery[2].url
    place    TEXT NOT NULL CHECK (place IN ('field', 'html', 'text')),
    url      TEXT NOT NULL,       -- as it stands there
    host     TEXT NOT NULL,
    path     TEXT NOT NULL,       -- percent-decoded, without host and query
    PRIMARY KEY (endpoint, id, side, field, url)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_references_by_path ON media_references (path);

-- The readable text of each current body: its strings, without HTML's tags.
CREATE TABLE content_texts (
    rowid    INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    id       TEXT NOT NULL,
    side     TEXT NOT NULL CHECK (side IN ('published', 'draft')),
    text     TEXT NOT NULL,
    UNIQUE (endpoint, id, side)
) STRICT;

-- Full-text search by groups of three characters, so that Japanese needs no dictionary.
CREATE VIRTUAL TABLE contents_search USING fts5 (
    endpoint UNINDEXED, id UNINDEXED, side UNINDEXED, text,
    content = 'content_texts', content_rowid = 'rowid', tokenize = 'trigram'
);
CREATE TRIGGER content_texts_insert AFTER INSERT ON content_texts BEGIN
    INSERT INTO contents_search (rowid, endpoint, id, side, text)
    VALUES (NEW.rowid, NEW.endpoint, NEW.id, NEW.side, NEW.text);
END;
CREATE TRIGGER content_texts_delete AFTER DELETE ON content_texts BEGIN
    INSERT INTO contents_search (contents_search, rowid, endpoint, id, side, text)
    VALUES ('delete', OLD.rowid, OLD.endpoint, OLD.id, OLD.side, OLD.text);
END;
CREATE TRIGGER content_texts_update AFTER UPDATE ON content_texts BEGIN
    INSERT INTO contents_search (contents_search, rowid, endpoint, id, side, text)
    VALUES ('delete', OLD.rowid, OLD.endpoint, OLD.id, OLD.side, OLD.text);
    INSERT INTO contents_search (rowid, endpoint, id, side, text)
    VALUES (NEW.rowid, NEW.endpoint, NEW.id, NEW.side, NEW.text);
END;

CREATE TRIGGER contents_unread_on_insert AFTER INSERT ON contents
WHEN NEW.published_body IS NOT NULL OR NEW.draft_body IS NOT NULL
BEGIN
    INSERT INTO unread (kind, scope, id) VALUES ('content', NEW.endpoint, NEW.id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER contents_unread_on_update AFTER UPDATE ON contents
WHEN OLD.published_body IS NOT NEW.published_body OR OLD.draft_body IS NOT NEW.draft_body
     OR (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)
     OR OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id
BEGIN
    INSERT INTO unread (kind, scope, id)
    VALUES ('content', OLD.endpoint, OLD.id), ('content', NEW.endpoint, NEW.id) ON CONFLICT DO NOTHING;
END;
-- What is cleared, deleted or renamed is not found any more from then on, whoever did it: only the new
-- state has to wait for the program.
CREATE TRIGGER contents_forgotten_on_update AFTER UPDATE ON contents
WHEN (OLD.published_body IS NOT NULL AND NEW.published_body IS NULL)
     OR (OLD.draft_body IS NOT NULL AND NEW.draft_body IS NULL)
     OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
     OR OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id
BEGIN
    DELETE FROM content_texts
    WHERE endpoint = OLD.endpoint AND id = OLD.id
      AND (OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id OR NEW.deleted_at IS NOT NULL
           OR iif(side = 'published', NEW.published_body, NEW.draft_body) IS NULL);
    DELETE FROM media_references
    WHERE endpoint = OLD.endpoint AND id = OLD.id
      AND (OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id OR NEW.deleted_at IS NOT NULL
           OR iif(side = 'published', NEW.published_body, NEW.draft_body) IS NULL);
END;
CREATE TRIGGER contents_forgotten_on_delete AFTER DELETE ON contents
BEGIN
    DELETE FROM content_texts WHERE endpoint = OLD.endpoint AND id = OLD.id;
    DELETE FROM media_references WHERE endpoint = OLD.endpoint AND id = OLD.id;
END;
CREATE TRIGGER contents_unread_on_delete AFTER DELETE ON contents
BEGIN
    INSERT INTO unread (kind, scope, id) VALUES ('content', OLD.endpoint, OLD.id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER media_unread_on_insert AFTER INSERT ON media
BEGIN
    INSERT INTO unread (kind, scope, id) VALUES ('medium', '', NEW.id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER media_unread_on_update AFTER UPDATE ON media
WHEN OLD.url IS NOT NEW.url OR OLD.id IS NOT NEW.id
BEGIN
    INSERT INTO unread (kind, scope, id) VALUES ('medium', '', OLD.id), ('medium', '', NEW.id) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER media_unread_on_delete AFTER DELETE ON media
BEGIN
    INSERT INTO unread (kind, scope, id) VALUES ('medium', '', OLD.id) ON CONFLICT DO NOTHING;
END;

INSERT INTO unread (kind, scope, id)
SELECT 'content', endpoint, id FROM contents
WHERE deleted_at IS NULL AND (published_body IS NOT NULL OR draft_body IS NOT NULL);
INSERT INTO unread (kind, scope, id) SELECT 'medium', '', id FROM media;

------------------------------------------------------------------------ times

-- Which versions held at a time, and which began in a span of time: decided in the index, so that only
-- the rows of the answer are read. The bodies make the rows long.
CREATE INDEX contents_by_start ON contents (valid_from);
CREATE INDEX contents_history_by_start ON contents_history (valid_from, valid_to);
CREATE INDEX media_by_start ON media (valid_from);
CREATE INDEX media_history_by_start ON media_history (valid_from, valid_to);
CREATE INDEX assets_by_start ON assets (valid_from);
CREATE INDEX assets_history_by_start ON assets_history (valid_from, valid_to);
-- The same for one API: with the end, a version that did not hold is left out without a look at its row.
DROP INDEX contents_history_by_id;
CREATE INDEX contents_history_by_id ON contents_history (endpoint, id, valid_from, valid_to);

------------------------------------------------------------------------ views

-- The contents that exist now, without draft keys. `title` is the field of that name, or `name`, or the
-- first text of the body.
CREATE VIEW contents_current AS
SELECT endpoint, id,
       coalesce(body ->> '$.title', body ->> '$.name',
                (SELECT value FROM json_each(body)
                 WHERE type = 'text' AND key NOT IN ('id', 'createdAt', 'updatedAt', 'publishedAt', 'revisedAt')
                 LIMIT 1)) AS title,
       status, created_at, updated_at, published_at, revised_at, closed_at, created_by, updated_by,
       custom_status ->> '$[0].name' AS custom_status,
       reservation_time ->> '$.publishTime' AS publish_time, reservation_time ->> '$.stopTime' AS stop_time,
       draft_body IS NOT NULL AS has_draft,
       length(CAST(ifnull(published_body, '') AS BLOB)) AS published_bytes,
       length(CAST(ifnull(draft_body, '') AS BLOB)) AS draft_bytes,
       valid_from AS backed_up_at, published_body, draft_body
FROM (SELECT *, coalesce(published_body, draft_body) AS body FROM contents WHERE deleted_at IS NULL);

CREATE VIEW contents_by_status AS
SELECT endpoint, status, count(*) AS contents, sum(has_draft) AS with_draft,
       min(updated_at) AS oldest_update, max(updated_at) AS newest_update
FROM (SELECT endpoint, status, updated_at, draft_body IS NOT NULL AS has_draft FROM contents WHERE deleted_at IS NULL)
GROUP BY endpoint, status;

-- What will be published or stopped by itself, soonest first.
CREATE VIEW reservations_upcoming AS
SELECT at, action, endpoint, id, title, status FROM (
    SELECT publish_time AS at, 'publish' AS action, endpoint, id, title, status FROM contents_current
    UNION ALL
    SELECT stop_time, 'stop', endpoint, id, title, status FROM contents_current)
WHERE julianday(at) >= julianday('now')
ORDER BY julianday(at);

-- Before this time `prune` has removed parts of the history (NULL: none): the first version that is kept of
-- something need not be the first that there was.
CREATE VIEW pruned_before AS
SELECT max(max(ifnull(superseded_before, ''), ifnull(deleted_before, ''))) AS at
FROM prunes WHERE superseded_before IS NOT NULL OR deleted_before IS NOT NULL;

-- Each version that began, with what it replaced: what `changes` and `changed_fields` are made of. Only
-- a change that a run saw is here: what was edited twice between two runs is one change. The first version
-- of a file is left out: its medium says it. Each part begins at the new version and looks up the one
-- before it, so that the changes of a span of time, of one thing, or the newest ones read nothing else. The
-- casts are for the planner: it orders and limits the parts one by one only where their columns have the same
-- types.
CREATE VIEW version_pairs AS
SELECT v.valid_from AS at, 'content' AS kind, v.endpoint AS endpoint, v.id AS id,
       CASE WHEN v.deleted_at IS NOT NULL THEN NULL   -- who deleted is told by nobody
            WHEN p.rowid IS NULL AND v.valid_from >= ifnull((SELECT at FROM pruned_before), '') THEN v.created_by
            ELSE v.updated_by END AS by,
       p.deleted_at AS was_deleted, v.deleted_at AS is_deleted, p.metadata AS old_metadata, v.metadata AS new_metadata,
       p.published_body AS old_published, v.published_body AS new_published, p.draft_body AS old_draft, v.draft_body AS new_draft
FROM contents AS v LEFT JOIN contents_history AS p ON p.rowid = (
    SELECT q.rowid FROM contents_history AS q WHERE q.endpoint = v.endpoint AND q.id = v.id
        AND q.valid_from < v.valid_from ORDER BY q.valid_from DESC LIMIT 1)
UNION ALL
SELECT v.valid_from, 'content', v.endpoint, v.id,
       CASE WHEN v.deleted_at IS NOT NULL THEN NULL   -- who deleted is told by nobody
            WHEN p.rowid IS NULL AND v.valid_from >= ifnull((SELECT at FROM pruned_before), '') THEN v.created_by
            ELSE v.updated_by END,
       p.deleted_at, v.deleted_at, p.metadata, v.metadata,
       p.published_body, v.published_body, p.draft_body, v.draft_body
FROM contents_history AS v LEFT JOIN contents_history AS p ON p.rowid = (
    SELECT q.rowid FROM contents_history AS q WHERE q.endpoint = v.endpoint AND q.id = v.id
        AND q.valid_from < v.valid_from ORDER BY q.valid_from DESC LIMIT 1)
UNION ALL
SELECT m.valid_from, 'medium', CAST(NULL AS TEXT), m.id, NULL, p.deleted_at, m.deleted_at, p.metadata, m.metadata,
       CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)
FROM media AS m LEFT JOIN media_history AS p ON p.rowid = (
    SELECT q.rowid FROM media_history AS q WHERE q.id = m.id
        AND q.valid_from < m.valid_from ORDER BY q.valid_from DESC LIMIT 1)
UNION ALL
SELECT m.valid_from, 'medium', CAST(NULL AS TEXT), m.id, NULL, p.deleted_at, m.deleted_at, p.metadata, m.metadata,
       CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)
FROM media_history AS m LEFT JOIN media_history AS p ON p.rowid = (
    SELECT q.rowid FROM media_history AS q WHERE q.id = m.id
        AND q.valid_from < m.valid_from ORDER BY q.valid_from DESC LIMIT 1)
UNION ALL
SELECT f.valid_from, 'file', CAST(NULL AS TEXT), f.media_id, NULL, CAST(NULL AS TEXT), CAST(NULL AS TEXT),
       CAST(json_object('url', p.url, 'bytes', p.bytes, 'sha256', p.sha256) AS TEXT),
       CAST(json_object('url', f.url, 'bytes', f.bytes, 'sha256', f.sha256) AS TEXT),
       CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)
FROM assets AS f CROSS JOIN assets_history AS p ON p.rowid = (
    SELECT q.rowid FROM assets_history AS q WHERE q.media_id = f.media_id
        AND q.valid_from < f.valid_from ORDER BY q.valid_from DESC LIMIT 1)
UNION ALL
SELECT f.valid_from, 'file', CAST(NULL AS TEXT), f.media_id, NULL, CAST(NULL AS TEXT), CAST(NULL AS TEXT),
       CAST(json_object('url', p.url, 'bytes', p.bytes, 'sha256', p.sha256) AS TEXT),
       CAST(json_object('url', f.url, 'bytes', f.bytes, 'sha256', f.sha256) AS TEXT),
       CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)
FROM assets_history AS f CROSS JOIN assets_history AS p ON p.rowid = (
    SELECT q.rowid FROM assets_history AS q WHERE q.media_id = f.media_id
        AND q.valid_from < f.valid_from ORDER BY q.valid_from DESC LIMIT 1)
UNION ALL
SELECT e.valid_from, 'api', e.endpoint, e.endpoint, NULL, p.deleted_at, e.deleted_at,
       CAST(iif(p.rowid IS NULL, NULL, json_object('name', p.name, 'kind', p.kind, 'schema', json(p.schema))) AS TEXT),
       CAST(json_object('name', e.name, 'kind', e.kind, 'schema', json(e.schema)) AS TEXT),
       CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)
FROM endpoints AS e LEFT JOIN endpoints_history AS p ON p.rowid = (
    SELECT q.rowid FROM endpoints_history AS q WHERE q.endpoint = e.endpoint
        AND q.valid_from < e.valid_from ORDER BY q.valid_from DESC LIMIT 1)
UNION ALL
SELECT e.valid_from, 'api', e.endpoint, e.endpoint, NULL, p.deleted_at, e.deleted_at,
       CAST(iif(p.rowid IS NULL, NULL, json_object('name', p.name, 'kind', p.kind, 'schema', json(p.schema))) AS TEXT),
       CAST(json_object('name', e.name, 'kind', e.kind, 'schema', json(e.schema)) AS TEXT),
       CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)
FROM endpoints_history AS e LEFT JOIN endpoints_history AS p ON p.rowid = (
    SELECT q.rowid FROM endpoints_history AS q WHERE q.endpoint = e.endpoint
        AND q.valid_from < e.valid_from ORDER BY q.valid_from DESC LIMIT 1);

-- One row per changed key of a change, with its value before and after (JSON text for what is no text or
-- number; NULL: it was not there). A draft key is a secret: that it changed is told, not what it is.
CREATE VIEW changed_fields AS
SELECT p.at, p.kind, p.endpoint, p.id, part.part, new.key AS field,
       iif(new.key = 'draftKey', NULL, old.value) AS old, iif(new.key = 'draftKey', NULL, new.value) AS new
FROM version_pairs AS p
JOIN (SELECT 'metadata' AS part UNION ALL SELECT 'published' UNION ALL SELECT 'draft') AS part
JOIN json_each(CASE part.part WHEN 'metadata' THEN p.new_metadata WHEN 'published' THEN p.new_published
               ELSE p.new_draft END) AS new
LEFT JOIN json_each(CASE part.part WHEN 'metadata' THEN p.old_metadata WHEN 'published' THEN p.old_published
               ELSE p.old_draft END) AS old ON old.key = new.key
WHERE p.old_metadata IS NOT NULL AND (new.value IS NOT old.value OR new.type IS NOT old.type)
UNION ALL
SELECT p.at, p.kind, p.endpoint, p.id, part.part, old.key, iif(old.key = 'draftKey', NULL, old.value), NULL
FROM version_pairs AS p
JOIN (SELECT 'metadata' AS part UNION ALL SELECT 'published' UNION ALL SELECT 'draft') AS part
JOIN json_each(CASE part.part WHEN 'metadata' THEN p.old_metadata WHEN 'published' THEN p.old_published
               ELSE p.old_draft END) AS old
WHERE p.old_metadata IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM json_each(CASE part.part WHEN 'metadata' THEN p.new_metadata WHEN 'published' THEN p.new_published
                            ELSE p.new_draft END) AS new WHERE new.key = old.key);

-- One row per change: when a run saw it, of what, by whom, and which keys of the metadata and of the bodies
-- are other ones (a JSON list; the metadata's as they are, the bodies' behind `published.` and `draft.`).
-- `created` is what was seen for the first time; `known`, the first version that `prune` has left.
CREATE VIEW changes AS
SELECT at, kind, endpoint, id,
       CASE WHEN old_metadata IS NULL THEN iif(at < (SELECT at FROM pruned_before), 'known', 'created')
            WHEN was_deleted IS NULL AND is_deleted IS NOT NULL THEN 'deleted'
            WHEN was_deleted IS NOT NULL AND is_deleted IS NULL THEN 'returned'
            ELSE 'changed' END AS change,
       by,
       old_metadata ->> '$.status[0]' AS old_status, new_metadata ->> '$.status[0]' AS new_status,
       CASE WHEN old_metadata IS NOT NULL THEN (
           SELECT json_group_array(field) FROM (
               SELECT n.key AS field FROM json_each(new_metadata) AS n
               LEFT JOIN json_each(old_metadata) AS o ON o.key = n.key
               WHERE n.value IS NOT o.value OR n.type IS NOT o.type
               UNION ALL
               SELECT o.key FROM json_each(old_metadata) AS o
               WHERE NOT EXISTS (SELECT 1 FROM json_each(new_metadata) AS n WHERE n.key = o.key)
               UNION ALL
               SELECT 'published.' || n.key FROM json_each(new_published) AS n
               LEFT JOIN json_each(old_published) AS o ON o.key = n.key
               WHERE n.value IS NOT o.value OR n.type IS NOT o.type
               UNION ALL
               SELECT 'published.' || o.key FROM json_each(old_published) AS o
               WHERE NOT EXISTS (SELECT 1 FROM json_each(new_published) AS n WHERE n.key = o.key)
               UNION ALL
               SELECT 'draft.' || n.key FROM json_each(new_draft) AS n
               LEFT JOIN json_each(old_draft) AS o ON o.key = n.key
               WHERE n.value IS NOT o.value OR n.type IS NOT o.type
               UNION ALL
               SELECT 'draft.' || o.key FROM json_each(old_draft) AS o
               WHERE NOT EXISTS (SELECT 1 FROM json_each(new_draft) AS n WHERE n.key = o.key)))
       END AS fields
FROM version_pairs;

-- Which content uses which medium, and where.
CREATE VIEW media_uses AS
SELECT p.media_id, m.file_name, m.deleted_at AS medium_deleted_at, r.endpoint, r.id, r.side, r.field, r.place, r.url
FROM media_references AS r
JOIN media_paths AS p ON p.path = r.path
JOIN media AS m ON m.id = p.media_id;

-- Media that no current content names, drafts included. While bodies are owed the answer is not certain: one
-- of them may name the medium.
CREATE VIEW media_unused AS
SELECT m.id, m.file_name, m.url, a.bytes, m.created_at, m.updated_at, m.valid_from AS backed_up_at,
       (SELECT count(*) FROM owed_bodies) AS bodies_owed
FROM media AS m
LEFT JOIN assets AS a ON a.media_id = m.id
WHERE m.deleted_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM media_paths AS p JOIN media_references AS r ON r.path = p.path
                  WHERE p.media_id = m.id);

-- Places that name a file of the service which is not in its media list (any more). `media_id` and `deleted_at`
-- tell which medium it was, where that is known. URLs of other sites are not looked at.
CREATE VIEW references_missing AS
SELECT r.endpoint, r.id, r.side, r.field, r.place, r.url,
       (SELECT p.media_id FROM media_paths AS p WHERE p.path = r.path) AS media_id,
       (SELECT max(m.deleted_at) FROM media_paths AS p JOIN media AS m ON m.id = p.media_id
        WHERE p.path = r.path) AS deleted_at
FROM media_references AS r
WHERE NOT EXISTS (SELECT 1 FROM media_paths AS p JOIN media AS m ON m.id = p.media_id
                  WHERE p.path = r.path AND m.deleted_at IS NULL)
  AND (r.path GLOB '/assets/?*/?*/?*' OR EXISTS (SELECT 1 FROM media_paths AS p WHERE p.path = r.path)
       OR EXISTS (SELECT 1 FROM media_paths AS p WHERE p.host = r.host));

-- Who changed how much in which month, as far as runs saw it: a version for each content and run. It reads the
-- history of all contents once. Which versions are the first ones is read from the index before that.
CREATE VIEW editors_activity AS
SELECT iif(is_new, created_by, updated_by) AS editor, substr(at, 1, 7) AS month, sum(is_new) AS created,
       sum(1 - is_new) AS changed, count(DISTINCT endpoint || '/' || id) AS contents, max(at) AS last_seen
FROM (SELECT endpoint, id, valid_from AS at, created_by, updated_by,
             valid_from >= ifnull((SELECT at FROM pruned_before), '') AND NOT EXISTS (
                 SELECT 1 FROM contents_history AS old
                 WHERE old.endpoint = v.endpoint AND old.id = v.id AND old.valid_from < v.valid_from) AS is_new
      FROM contents AS v WHERE deleted_at IS NULL
      UNION ALL
      SELECT endpoint, id, valid_from, created_by, updated_by,
             valid_from >= ifnull((SELECT at FROM pruned_before), '') AND rowid IN (
                 SELECT first FROM (SELECT rowid AS first, min(valid_from) FROM contents_history
                                    GROUP BY endpoint, id))
      FROM contents_history WHERE deleted_at IS NULL)
GROUP BY 1, 2;

-- How the service grew: what was made in each month and is still there, and the sums until then.
CREATE VIEW growth_by_month AS
SELECT month, contents_created, media_created, bytes_created,
       sum(contents_created) OVER (ORDER BY month) AS contents_total,
       sum(media_created) OVER (ORDER BY month) AS media_total,
       sum(bytes_created) OVER (ORDER BY month) AS bytes_total
FROM (SELECT month, sum(contents) AS contents_created, sum(media) AS media_created, sum(bytes) AS bytes_created
      FROM (SELECT substr(created_at, 1, 7) AS month, count(*) AS contents, 0 AS media, 0 AS bytes
            FROM contents WHERE deleted_at IS NULL GROUP BY 1
            UNION ALL
            SELECT substr(ifnull(m.created_at, m.valid_from), 1, 7), 0, count(*), sum(ifnull(a.bytes, 0))
            FROM media AS m LEFT JOIN assets AS a ON a.media_id = m.id
            WHERE m.deleted_at IS NULL GROUP BY 1)
      GROUP BY month);
