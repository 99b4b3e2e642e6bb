-- The first schema. Released files are never edited: a change is a new file.
--
-- Conventions: times are UTC text in RFC 3339 with three fraction digits (the service's own stamps
-- inside `metadata` are as the service wrote them). `metadata` is the service's JSON, verbatim; the
-- columns generated from it cannot disagree with it and take no space. A version of a row begins at
-- its `valid_from`. Triggers, not the program, write history, so that no code path can forget it.

-- `service_id`: the service this is a backup of.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The files that made this schema. A digest that differs from the program's own means that a released
-- file was edited, and that nobody knows what this schema is.
CREATE TABLE migrations (
    version    INTEGER PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT;

------------------------------------------------------------------------ endpoints

CREATE TABLE endpoints (
    endpoint   TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('list', 'object')),
    valid_from TEXT NOT NULL,
    deleted_at TEXT,
    schema     TEXT               -- JSON as served; NULL where no key could read it so far
) STRICT;

CREATE TABLE endpoints_history (
    endpoint   TEXT NOT NULL,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    deleted_at TEXT,
    valid_to   TEXT NOT NULL,
    schema     TEXT
) STRICT;
CREATE INDEX endpoints_history_by_id ON endpoints_history (endpoint, valid_from);

CREATE TRIGGER endpoints_version_moves_forward BEFORE UPDATE ON endpoints
WHEN CASE WHEN OLD.name IS NOT NEW.name OR OLD.kind IS NOT NEW.kind OR OLD.schema IS NOT NEW.schema
              OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.endpoint IS NOT NEW.endpoint
          THEN NEW.valid_from <= OLD.valid_from ELSE NEW.valid_from <> OLD.valid_from END
BEGIN
    SELECT RAISE(ABORT, 'a new version of an endpoint needs a later valid_from, and only it');
END;

CREATE TRIGGER endpoints_history_on_update AFTER UPDATE ON endpoints
WHEN OLD.name IS NOT NEW.name OR OLD.kind IS NOT NEW.kind OR OLD.schema IS NOT NEW.schema
     OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.endpoint IS NOT NEW.endpoint
BEGIN
    INSERT INTO endpoints_history (endpoint, name, kind, schema, valid_from, deleted_at, valid_to)
    VALUES (OLD.endpoint, OLD.name, OLD.kind, OLD.schema, OLD.valid_from, OLD.deleted_at, NEW.valid_from);
END;

CREATE TRIGGER endpoints_history_on_delete AFTER DELETE ON endpoints
BEGIN
    INSERT INTO endpoints_history (endpoint, name, kind, schema, valid_from, deleted_at, valid_to)
    VALUES (OLD.endpoint, OLD.name, OLD.kind, OLD.schema, OLD.valid_from, OLD.deleted_at,
            max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds')));
END;

------------------------------------------------------------------------ contents

-- The long columns stand last: whoever counts or lists need not read past the bodies.
CREATE TABLE contents (
    endpoint         TEXT NOT NULL,
    id               TEXT NOT NULL,
    valid_from       TEXT NOT NULL,
    deleted_at       TEXT,
    metadata         TEXT NOT NULL CHECK (json_valid(metadata)),
    published_body   TEXT,        -- JSON as served (depth=0); NULL: none in this status, or owed
    draft_body       TEXT,        -- JSON as served with the draft key; NULL: none, or owed
    status           TEXT GENERATED ALWAYS AS (metadata ->> '$.status[0]') VIRTUAL,
    created_at       TEXT GENERATED ALWAYS AS (metadata ->> '$.createdAt') VIRTUAL,
    updated_at       TEXT GENERATED ALWAYS AS (metadata ->> '$.updatedAt') VIRTUAL,
    published_at     TEXT GENERATED ALWAYS AS (metadata ->> '$.publishedAt') VIRTUAL,
    revised_at       TEXT GENERATED ALWAYS AS (metadata ->> '$.revisedAt') VIRTUAL,
    closed_at        TEXT GENERATED ALWAYS AS (metadata ->> '$.closedAt') VIRTUAL,
    draft_key        TEXT GENERATED ALWAYS AS (metadata ->> '$.draftKey') VIRTUAL,
    created_by       TEXT GENERATED ALWAYS AS (metadata ->> '$.createdBy') VIRTUAL,
    updated_by       TEXT GENERATED ALWAYS AS (metadata ->> '$.updatedBy') VIRTUAL,
    custom_status    TEXT GENERATED ALWAYS AS (nullif(metadata -> '$.customStatus', 'null')) VIRTUAL,
    reservation_time TEXT GENERATED ALWAYS AS (nullif(metadata -> '$.reservationTime', 'null')) VIRTUAL,
    PRIMARY KEY (endpoint, id)
) STRICT;

CREATE TABLE contents_history (
    endpoint         TEXT NOT NULL,
    id               TEXT NOT NULL,
    valid_from       TEXT NOT NULL,
    deleted_at       TEXT,
    valid_to         TEXT NOT NULL,
    metadata         TEXT NOT NULL,
    published_body   TEXT,
    draft_body       TEXT,
    status           TEXT GENERATED ALWAYS AS (metadata ->> '$.status[0]') VIRTUAL,
    created_at       TEXT GENERATED ALWAYS AS (metadata ->> '$.createdAt') VIRTUAL,
    updated_at       TEXT GENERATED ALWAYS AS (metadata ->> '$.updatedAt') VIRTUAL,
    published_at     TEXT GENERATED ALWAYS AS (metadata ->> '$.publishedAt') VIRTUAL,
    revised_at       TEXT GENERATED ALWAYS AS (metadata ->> '$.revisedAt') VIRTUAL,
    closed_at        TEXT GENERATED ALWAYS AS (metadata ->> '$.closedAt') VIRTUAL,
    draft_key        TEXT GENERATED ALWAYS AS (metadata ->> '$.draftKey') VIRTUAL,
    created_by       TEXT GENERATED ALWAYS AS (metadata ->> '$.createdBy') VIRTUAL,
    updated_by       TEXT GENERATED ALWAYS AS (metadata ->> '$.updatedBy') VIRTUAL,
    custom_status    TEXT GENERATED ALWAYS AS (nullif(metadata -> '$.customStatus', 'null')) VIRTUAL,
    reservation_time TEXT GENERATED ALWAYS AS (nullif(metadata -> '$.reservationTime', 'null')) VIRTUAL
) STRICT;
CREATE INDEX contents_history_by_id ON contents_history (endpoint, id, valid_from);

-- A body column that is NULL because the body is owed may be filled in later without a new version:
-- the version begins with its metadata, and the body belongs to it. Nothing else may change in place.
CREATE TRIGGER contents_version_moves_forward BEFORE UPDATE ON contents
WHEN CASE WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at
              OR (OLD.published_body IS NOT NULL AND OLD.published_body IS NOT NEW.published_body)
              OR (OLD.draft_body IS NOT NULL AND OLD.draft_body IS NOT NEW.draft_body)
              OR OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id
          THEN NEW.valid_from <= OLD.valid_from ELSE NEW.valid_from <> OLD.valid_from END
BEGIN
    SELECT RAISE(ABORT, 'a new version of a content needs a later valid_from, and only it');
END;

CREATE TRIGGER contents_history_on_update AFTER UPDATE ON contents
WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at
     OR (OLD.published_body IS NOT NULL AND OLD.published_body IS NOT NEW.published_body)
     OR (OLD.draft_body IS NOT NULL AND OLD.draft_body IS NOT NEW.draft_body)
     OR OLD.endpoint IS NOT NEW.endpoint OR OLD.id IS NOT NEW.id
BEGIN
    INSERT INTO contents_history (endpoint, id, metadata, published_body, draft_body, valid_from, deleted_at, valid_to)
    VALUES (OLD.endpoint, OLD.id, OLD.metadata, OLD.published_body, OLD.draft_body, OLD.valid_from,
            OLD.deleted_at, NEW.valid_from);
END;

CREATE TRIGGER contents_history_on_delete AFTER DELETE ON contents
BEGIN
    INSERT INTO contents_history (endpoint, id, metadata, published_body, draft_body, valid_from, deleted_at, valid_to)
    VALUES (OLD.endpoint, OLD.id, OLD.metadata, OLD.published_body, OLD.draft_body, OLD.valid_from,
            OLD.deleted_at, max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds')));
END;

-- Bodies that are listed but not recorded yet. A row leaves when its body arrives or its status has none.
CREATE TABLE owed_bodies (
    endpoint   TEXT NOT NULL,
    id         TEXT NOT NULL,
    side       TEXT NOT NULL CHECK (side IN ('published', 'draft')),
    state      TEXT NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'refused')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    owed_at    TEXT NOT NULL,     -- when it was asked for last; an answer to an older question does not count
    PRIMARY KEY (endpoint, id, side)
) STRICT, WITHOUT ROWID;

------------------------------------------------------------------------ media

CREATE TABLE media (
    id         TEXT PRIMARY KEY NOT NULL,
    file_name  TEXT NOT NULL,     -- the URL's last segment, decoded
    valid_from TEXT NOT NULL,
    deleted_at TEXT,
    metadata   TEXT NOT NULL CHECK (json_valid(metadata)),
    url        TEXT GENERATED ALWAYS AS (metadata ->> '$.url') VIRTUAL,
    width      INTEGER GENERATED ALWAYS AS
        (CASE WHEN typeof(metadata ->> '$.width') = 'integer' THEN metadata ->> '$.width' END) VIRTUAL,
    height     INTEGER GENERATED ALWAYS AS
        (CASE WHEN typeof(metadata ->> '$.height') = 'integer' THEN metadata ->> '$.height' END) VIRTUAL,
    alt        TEXT GENERATED ALWAYS AS (metadata ->> '$.alt') VIRTUAL,
    tags       TEXT GENERATED ALWAYS AS (nullif(metadata -> '$.tags', 'null')) VIRTUAL,
    created_at TEXT GENERATED ALWAYS AS (metadata ->> '$.createdAt') VIRTUAL,
    updated_at TEXT GENERATED ALWAYS AS (metadata ->> '$.updatedAt') VIRTUAL
) STRICT;

CREATE TABLE media_history (
    id         TEXT NOT NULL,
    file_name  TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    deleted_at TEXT,
    valid_to   TEXT NOT NULL,
    metadata   TEXT NOT NULL,
    url        TEXT GENERATED ALWAYS AS (metadata ->> '$.url') VIRTUAL,
    width      INTEGER GENERATED ALWAYS AS
        (CASE WHEN typeof(metadata ->> '$.width') = 'integer' THEN metadata ->> '$.width' END) VIRTUAL,
    height     INTEGER GENERATED ALWAYS AS
        (CASE WHEN typeof(metadata ->> '$.height') = 'integer' THEN metadata ->> '$.height' END) VIRTUAL,
    alt        TEXT GENERATED ALWAYS AS (metadata ->> '$.alt') VIRTUAL,
    tags       TEXT GENERATED ALWAYS AS (nullif(metadata -> '$.tags', 'null')) VIRTUAL,
    created_at TEXT GENERATED ALWAYS AS (metadata ->> '$.createdAt') VIRTUAL,
    updated_at TEXT GENERATED ALWAYS AS (metadata ->> '$.updatedAt') VIRTUAL
) STRICT;
CREATE INDEX media_history_by_id ON media_history (id, valid_from);

CREATE TRIGGER media_version_moves_forward BEFORE UPDATE ON media
WHEN CASE WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.id IS NOT NEW.id
          THEN NEW.valid_from <= OLD.valid_from ELSE NEW.valid_from <> OLD.valid_from END
BEGIN
    SELECT RAISE(ABORT, 'a new version of a medium needs a later valid_from, and only it');
END;

CREATE TRIGGER media_history_on_update AFTER UPDATE ON media
WHEN OLD.metadata IS NOT NEW.metadata OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.id IS NOT NEW.id
BEGIN
    INSERT INTO media_history (id, file_name, metadata, valid_from, deleted_at, valid_to)
    VALUES (OLD.id, OLD.file_name, OLD.metadata, OLD.valid_from, OLD.deleted_at, NEW.valid_from);
END;

CREATE TRIGGER media_history_on_delete AFTER DELETE ON media
BEGIN
    INSERT INTO media_history (id, file_name, metadata, valid_from, deleted_at, valid_to)
    VALUES (OLD.id, OLD.file_name, OLD.metadata, OLD.valid_from, OLD.deleted_at,
            max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds')));
END;

------------------------------------------------------------------------ assets

-- `url`, `path`, `bytes` and `sha256` belong together: they describe the version saved last. While a
-- replacement is owed they still describe what the mirror holds.
CREATE TABLE assets (
    media_id      TEXT PRIMARY KEY NOT NULL,
    url           TEXT NOT NULL,
    path          TEXT,           -- relative to the mirror; NULL until saved once
    bytes         INTEGER,
    sha256        TEXT,           -- hex
    content_type  TEXT,
    etag          TEXT,
    last_modified TEXT,
    state         TEXT NOT NULL CHECK (state IN ('owed', 'saved', 'failed', 'gone')),
    why           TEXT,           -- why it is owed
    owed_at       TEXT,           -- when it was asked for last; an answer to an older question leaves it owed
    attempts      INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT,
    fetched_at    TEXT,           -- when the saved bytes came
    checked_at    TEXT,           -- when the host last said that they still hold
    recheck_at    TEXT,           -- when to look once more, although nothing in the listing moved
    rechecks      INTEGER NOT NULL DEFAULT 0,
    valid_from    TEXT NOT NULL,
    CHECK (state <> 'saved' OR (path IS NOT NULL AND bytes IS NOT NULL AND sha256 IS NOT NULL))
) STRICT;
CREATE INDEX assets_due ON assets (media_id) WHERE state IN ('owed', 'failed') OR recheck_at IS NOT NULL;
-- Whose file is this? Asked before each new file takes its path.
CREATE INDEX assets_by_path ON assets (path) WHERE path IS NOT NULL;

CREATE TABLE assets_history (
    media_id      TEXT NOT NULL,
    url           TEXT NOT NULL,
    path          TEXT,
    bytes         INTEGER,
    sha256        TEXT,           -- the superseded bytes are in archive/ab/cd/<sha256>
    content_type  TEXT,
    etag          TEXT,
    last_modified TEXT,
    state         TEXT NOT NULL,
    why           TEXT,
    owed_at       TEXT,
    attempts      INTEGER NOT NULL,
    last_error    TEXT,
    fetched_at    TEXT,
    checked_at    TEXT,
    recheck_at    TEXT,
    rechecks      INTEGER NOT NULL,
    valid_from    TEXT NOT NULL,
    valid_to      TEXT NOT NULL
) STRICT;
CREATE INDEX assets_history_by_id ON assets_history (media_id, valid_from);
CREATE INDEX assets_history_by_sha256 ON assets_history (sha256);

CREATE TRIGGER assets_version_moves_forward BEFORE UPDATE ON assets
WHEN CASE WHEN OLD.sha256 IS NOT NULL
              AND (OLD.sha256 IS NOT NEW.sha256 OR OLD.path IS NOT NEW.path OR OLD.url IS NOT NEW.url)
          THEN NEW.valid_from <= OLD.valid_from ELSE NEW.valid_from <> OLD.valid_from END
BEGIN
    SELECT RAISE(ABORT, 'a new version of an asset needs a later valid_from, and only it');
END;

-- A version has a digest only if it was saved; what was owed meanwhile was the one after it.
CREATE TRIGGER assets_history_on_update AFTER UPDATE ON assets
WHEN OLD.sha256 IS NOT NULL
     AND (OLD.sha256 IS NOT NEW.sha256 OR OLD.path IS NOT NEW.path OR OLD.url IS NOT NEW.url)
BEGIN
    INSERT INTO assets_history (media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, why,
        owed_at, attempts, last_error, fetched_at, checked_at, recheck_at, rechecks, valid_from, valid_to)
    VALUES (OLD.media_id, OLD.url, OLD.path, OLD.bytes, OLD.sha256, OLD.content_type, OLD.etag, OLD.last_modified,
        'saved', NULL, NULL, 0, NULL, OLD.fetched_at, OLD.checked_at, OLD.recheck_at,
        OLD.rechecks, OLD.valid_from, NEW.valid_from);
END;

CREATE TRIGGER assets_history_on_delete AFTER DELETE ON assets
WHEN OLD.sha256 IS NOT NULL
BEGIN
    INSERT INTO assets_history (media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, why,
        owed_at, attempts, last_error, fetched_at, checked_at, recheck_at, rechecks, valid_from, valid_to)
    VALUES (OLD.media_id, OLD.url, OLD.path, OLD.bytes, OLD.sha256, OLD.content_type, OLD.etag, OLD.last_modified,
        'saved', NULL, NULL, 0, NULL, OLD.fetched_at, OLD.checked_at, OLD.recheck_at,
        OLD.rechecks, OLD.valid_from, max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                strftime('%Y-%m-%dT%H:%M:%fZ', OLD.valid_from, '+0.001 seconds')));
END;

------------------------------------------------------------------------ runs

CREATE TABLE runs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    trigger          TEXT NOT NULL,
    program          TEXT NOT NULL,
    started_at       TEXT NOT NULL,
    finished_at      TEXT,
    outcome          TEXT NOT NULL CHECK (outcome IN ('running', 'complete', 'partial', 'failed', 'interrupted')),
    exit_code        INTEGER,
    error            TEXT,
    media_seen       INTEGER NOT NULL DEFAULT 0,
    media_new        INTEGER NOT NULL DEFAULT 0,
    media_changed    INTEGER NOT NULL DEFAULT 0,
    media_returned   INTEGER NOT NULL DEFAULT 0,
    media_missing    INTEGER NOT NULL DEFAULT 0,
    media_deleted    INTEGER NOT NULL DEFAULT 0,
    contents_seen    INTEGER NOT NULL DEFAULT 0,
    contents_new     INTEGER NOT NULL DEFAULT 0,
    contents_changed INTEGER NOT NULL DEFAULT 0,
    contents_returned INTEGER NOT NULL DEFAULT 0,
    contents_missing INTEGER NOT NULL DEFAULT 0,
    contents_deleted INTEGER NOT NULL DEFAULT 0,
    bodies_saved     INTEGER NOT NULL DEFAULT 0,
    bodies_owed      INTEGER NOT NULL DEFAULT 0,
    bodies_refused   INTEGER NOT NULL DEFAULT 0,
    assets_saved     INTEGER NOT NULL DEFAULT 0,
    assets_unchanged INTEGER NOT NULL DEFAULT 0,
    assets_owed      INTEGER NOT NULL DEFAULT 0,
    assets_failed    INTEGER NOT NULL DEFAULT 0,
    asset_bytes      INTEGER NOT NULL DEFAULT 0,
    requests         INTEGER NOT NULL DEFAULT 0,
    recent_requests  TEXT               -- JSON: when the Management API was asked in the run's last 10 s
) STRICT;

CREATE TABLE walks (
    run_id           INTEGER NOT NULL REFERENCES runs (id),
    scope            TEXT NOT NULL,
    pages            INTEGER NOT NULL,
    total_count      INTEGER,
    unique_ids       INTEGER NOT NULL,
    duplicates       INTEGER NOT NULL,
    restarts         INTEGER NOT NULL,
    max_token_age_ms INTEGER,
    verdict          TEXT NOT NULL CHECK (verdict IN ('proven', 'unproven', 'failed')),
    detail           TEXT,
    started_at       TEXT NOT NULL,
    finished_at      TEXT NOT NULL,
    PRIMARY KEY (run_id, scope)
) STRICT, WITHOUT ROWID;

-- What a proven walk did not list although we know it. A sighting is not a mark: only the rules of
-- deletion (a 404 by id, or two proven walks) turn it into one.
CREATE TABLE absences (
    scope          TEXT NOT NULL,
    id             TEXT NOT NULL,
    first_seen_at  TEXT NOT NULL,
    proven_walks   INTEGER NOT NULL,
    last_run_id    INTEGER NOT NULL,
    is_confirmed   INTEGER NOT NULL DEFAULT 0 CHECK (is_confirmed IN (0, 1)),   -- by a person
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE transfer (
    month    TEXT NOT NULL,       -- UTC, 2026-11
    host     TEXT NOT NULL,
    requests INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,    -- body bytes as they came over the wire
    PRIMARY KEY (month, host)
) STRICT, WITHOUT ROWID;

------------------------------------------------------------------------ views

-- What things looked like at :t is one plain clause:
--   valid_from <= :t AND (valid_to IS NULL OR :t < valid_to)
-- Versions that say "deleted" are left out, so that what was deleted is simply not there.

CREATE VIEW endpoints_timeline AS
SELECT endpoint, name, kind, schema, valid_from, NULL AS valid_to, deleted_at FROM endpoints WHERE deleted_at IS NULL
UNION ALL
SELECT endpoint, name, kind, schema, valid_from, valid_to, deleted_at FROM endpoints_history WHERE deleted_at IS NULL;

CREATE VIEW contents_timeline AS
SELECT endpoint, id, status, created_at, updated_at, published_at, revised_at, closed_at, draft_key, created_by,
       updated_by, custom_status, reservation_time, metadata, published_body, draft_body, valid_from,
       NULL AS valid_to, deleted_at
FROM contents WHERE deleted_at IS NULL
UNION ALL
SELECT endpoint, id, status, created_at, updated_at, published_at, revised_at, closed_at, draft_key, created_by,
       updated_by, custom_status, reservation_time, metadata, published_body, draft_body, valid_from,
       valid_to, deleted_at
FROM contents_history WHERE deleted_at IS NULL;

CREATE VIEW media_timeline AS
SELECT id, url, file_name, width, height, alt, tags, created_at, updated_at, metadata, valid_from,
       NULL AS valid_to, deleted_at
FROM media WHERE deleted_at IS NULL
UNION ALL
SELECT id, url, file_name, width, height, alt, tags, created_at, updated_at, metadata, valid_from,
       valid_to, deleted_at
FROM media_history WHERE deleted_at IS NULL;

CREATE VIEW assets_timeline AS
SELECT media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, fetched_at, valid_from,
       NULL AS valid_to
FROM assets
UNION ALL
SELECT media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, fetched_at, valid_from, valid_to
FROM assets_history;
