-- Tamper evidence: a log of every version that the program itself wrote. docs/proof.md says what it
-- proves and what it does not.

-- One row per version of a row in `endpoints`, `contents`, `media` and `assets` (its saved bytes), one
-- more where a body arrived later, and one where `prune` removed a version. Only the program's own
-- connection writes it, by triggers of its own: what another program changes in the tables has no entry.
CREATE TABLE leaves (
    seq        INTEGER PRIMARY KEY NOT NULL,   -- from 1, without gaps
    deed       TEXT NOT NULL CHECK (deed IN ('recorded', 'adopted', 'removed')),
    kind       TEXT NOT NULL CHECK (kind IN ('asset', 'content', 'endpoint', 'medium')),
    scope      TEXT NOT NULL,     -- the API of a content; '' for everything else
    id         TEXT NOT NULL,
    valid_from TEXT NOT NULL,     -- which version
    digest     BLOB               -- SHA-256 over the version's columns; NULL: removed
        CHECK (CASE deed WHEN 'removed' THEN digest IS NULL ELSE length(digest) = 32 END)
) STRICT;

-- What a complete run commits to; NULL for every other run.
ALTER TABLE runs ADD COLUMN log_size INTEGER;  -- entries of the log at its end
ALTER TABLE runs ADD COLUMN log_head TEXT;     -- their Merkle tree head, as in RFC 6962, hex
ALTER TABLE runs ADD COLUMN root TEXT;         -- over the root before, this run's record, and log_head, hex
-- The tree at that length, so that the next run adds to it what is new. The newest one only.
ALTER TABLE runs ADD COLUMN log_peaks BLOB;
CREATE INDEX runs_with_root ON runs (id) WHERE root IS NOT NULL;
CREATE INDEX runs_with_peaks ON runs (id) WHERE log_peaks IS NOT NULL;

-- What is here already is taken into the log as it is. Only from now on does the log tell whether it
-- was changed; when it ended is part of what is noted, for no entry says when the next version began.
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'endpoint', '', endpoint, valid_from, version_digest(name, kind, schema, deleted_at, valid_to)
FROM endpoints_history ORDER BY rowid;
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'endpoint', '', endpoint, valid_from, version_digest(name, kind, schema, deleted_at, NULL)
FROM endpoints ORDER BY rowid;
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'content', endpoint, id, valid_from,
    version_digest(metadata, deleted_at, published_body, draft_body, valid_to)
FROM contents_history ORDER BY rowid;
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'content', endpoint, id, valid_from,
    version_digest(metadata, deleted_at, published_body, draft_body, NULL)
FROM contents ORDER BY rowid;
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'medium', '', id, valid_from, version_digest(file_name, metadata, deleted_at, valid_to)
FROM media_history ORDER BY rowid;
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'medium', '', id, valid_from, version_digest(file_name, metadata, deleted_at, NULL)
FROM media ORDER BY rowid;
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'asset', '', media_id, valid_from, version_digest(url, path, bytes, sha256, valid_to)
FROM assets_history WHERE sha256 IS NOT NULL ORDER BY rowid;
INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
SELECT 'adopted', 'asset', '', media_id, valid_from, version_digest(url, path, bytes, sha256, NULL)
FROM assets WHERE sha256 IS NOT NULL ORDER BY rowid;
