-- History is written whoever makes a change, also by somebody who knows nothing of `valid_from`: a changed row that keeps
-- it gets one of its own. A version still begins nowhere else than it did, and never before the one that it replaces.

DROP TRIGGER endpoints_version_moves_forward;
CREATE TRIGGER endpoints_version_moves_forward BEFORE UPDATE ON endpoints
WHEN CASE WHEN OLD.name IS NOT NEW.name OR OLD.kind IS NOT NEW.kind OR OLD.schema IS NOT NEW.schema
              OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.endpoint IS NOT NEW.endpoint
          THEN NEW.valid_from < OLD.valid_from
          -- Such as the next trigger moves it, behind the version that just ended.
          ELSE NEW.valid_from <> OLD.valid_from AND NOT EXISTS (
              SELECT 1 FROM endpoints_history AS h
              WHERE h.endpoint = NEW.endpoint AND h.valid_from = OLD.valid_from AND h.valid_to = NEW.valid_from) END
BEGIN
    SELECT RAISE(ABORT, 'a new version of an endpoint needs a later valid_from, and only it');
END;
DROP TRIGGER endpoints_history_on_update;
CREATE TRIGGER endpoints_history_on_update AFTER UPDATE ON endpoints
WHEN OLD.name IS NOT NEW.name OR OLD.kind IS NOT NEW.kind OR OLD.schema IS NOT NEW.schema
     OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.endpoint IS NOT NEW.endpoint
BEGIN
    INSERT INTO endpoints_history (endpoint, name, kind, schema, valid_from, deleted_at, valid_to)
    VALUES (OLD.endpoint, OLD.name, OLD.kind, OLD.schema, OLD.valid_from, OLD.deleted_at,
        iif(NEW.valid_from > OLD.valid_from, NEW.valid_from,
            max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))));
    UPDATE endpoints
    SET valid_from = max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))
    WHERE NEW.valid_from = OLD.valid_from AND OLD.endpoint = NEW.endpoint AND endpoint = NEW.endpoint;
END;

DROP TRIGGER contents_version_moves_forward;
CREATE TRIGGER contents_version_moves_forward BEFORE UPDATE ON contents
WHEN CASE WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at
              OR (OLD.published_body IS NOT NULL AND OLD.published_body IS NOT NEW.published_body)
              OR (OLD.draft_body IS NOT NULL AND OLD.draft_body IS NOT NEW.draft_body)
              OR OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id
          THEN NEW.valid_from < OLD.valid_from
          -- Such as the next trigger moves it, behind the version that just ended.
          ELSE NEW.valid_from <> OLD.valid_from AND NOT EXISTS (
              SELECT 1 FROM contents_history AS h
              WHERE h.endpoint = NEW.endpoint AND h.id = NEW.id AND h.valid_from = OLD.valid_from AND h.valid_to = NEW.valid_from) END
BEGIN
    SELECT RAISE(ABORT, 'a new version of a content needs a later valid_from, and only it');
END;
DROP TRIGGER contents_history_on_update;
CREATE TRIGGER contents_history_on_update AFTER UPDATE ON contents
WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at
     OR (OLD.published_body IS NOT NULL AND OLD.published_body IS NOT NEW.published_body)
     OR (OLD.draft_body IS NOT NULL AND OLD.draft_body IS NOT NEW.draft_body)
     OR OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id
BEGIN
    INSERT INTO contents_history (endpoint, id, metadata, published_body, draft_body, valid_from, deleted_at, valid_to)
    VALUES (OLD.endpoint, OLD.id, OLD.metadata, OLD.published_body, OLD.draft_body, OLD.valid_from,
            OLD.deleted_at,
        iif(NEW.valid_from > OLD.valid_from, NEW.valid_from,
            max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))));
    UPDATE contents
    SET valid_from = max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))
    WHERE NEW.valid_from = OLD.valid_from AND OLD.endpoint = NEW.endpoint AND endpoint = NEW.endpoint AND OLD.id = NEW.id AND id = NEW.id;
END;

DROP TRIGGER media_version_moves_forward;
CREATE TRIGGER media_version_moves_forward BEFORE UPDATE ON media
WHEN CASE WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.id IS NOT NEW.id
          THEN NEW.valid_from < OLD.valid_from
          -- Such as the next trigger moves it, behind the version that just ended.
          ELSE NEW.valid_from <> OLD.valid_from AND NOT EXISTS (
              SELECT 1 FROM media_history AS h
              WHERE h.id = NEW.id AND h.valid_from = OLD.valid_from AND h.valid_to = NEW.valid_from) END
BEGIN
    SELECT RAISE(ABORT, 'a new version of a medium needs a later valid_from, and only it');
END;
DROP TRIGGER media_history_on_update;
CREATE TRIGGER media_history_on_update AFTER UPDATE ON media
WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.id IS NOT NEW.id
BEGIN
    INSERT INTO media_history (id, file_name, metadata, valid_from, deleted_at, valid_to)
    VALUES (OLD.id, OLD.file_name, OLD.metadata, OLD.valid_from, OLD.deleted_at,
        iif(NEW.valid_from > OLD.valid_from, NEW.valid_from,
            max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))));
    UPDATE media
    SET valid_from = max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))
    WHERE NEW.valid_from = OLD.valid_from AND OLD.id = NEW.id AND id = NEW.id;
END;

DROP TRIGGER assets_version_moves_forward;
CREATE TRIGGER assets_version_moves_forward BEFORE UPDATE ON assets
WHEN CASE WHEN OLD.sha256 IS NOT NULL
              AND (OLD.sha256 IS NOT NEW.sha256 OR OLD.path IS NOT NEW.path OR OLD.url IS NOT NEW.url)
          THEN NEW.valid_from < OLD.valid_from
          -- Such as the next trigger moves it, behind the version that just ended.
          ELSE NEW.valid_from <> OLD.valid_from AND NOT EXISTS (
              SELECT 1 FROM assets_history AS h
              WHERE h.media_id = NEW.media_id AND h.valid_from = OLD.valid_from AND h.valid_to = NEW.valid_from) END
BEGIN
    SELECT RAISE(ABORT, 'a new version of an asset needs a later valid_from, and only it');
END;
DROP TRIGGER assets_history_on_update;
CREATE TRIGGER assets_history_on_update AFTER UPDATE ON assets
WHEN OLD.sha256 IS NOT NULL
     AND (OLD.sha256 IS NOT NEW.sha256 OR OLD.path IS NOT NEW.path OR OLD.url IS NOT NEW.url)
BEGIN
    INSERT INTO assets_history (media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, why,
        owed_at, attempts, last_error, fetched_at, checked_at, recheck_at, rechecks, valid_from, valid_to)
    VALUES (OLD.media_id, OLD.url, OLD.path, OLD.bytes, OLD.sha256, OLD.content_type, OLD.etag, OLD.last_modified,
        'saved', NULL, NULL, 0, NULL, OLD.fetched_at, OLD.checked_at, OLD.recheck_at,
        OLD.rechecks, OLD.valid_from,
        iif(NEW.valid_from > OLD.valid_from, NEW.valid_from,
            max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))));
    UPDATE assets
    SET valid_from = max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds'))
    WHERE NEW.valid_from = OLD.valid_from AND OLD.media_id = NEW.media_id AND media_id = NEW.media_id;
END;

DROP VIEW assets_timeline;
CREATE VIEW assets_timeline AS
SELECT media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, fetched_at, checked_at, attempts,
       last_error, valid_from, NULL AS valid_to
FROM assets
UNION ALL
SELECT media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, fetched_at, checked_at, attempts,
       last_error, valid_from, valid_to
FROM assets_history;
