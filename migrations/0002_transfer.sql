-- Paying only for what changed: when a failed file is asked for again, what asset hosts have shown
-- that they can do, and sizes that are known beforehand.

-- A file that failed is not asked for before this; NULL: by the next run.
ALTER TABLE assets ADD COLUMN next_attempt_at TEXT;
-- When the last attempt failed.
ALTER TABLE assets ADD COLUMN failed_at TEXT;
-- How long an owed file is, as its host said; NULL: not known.
ALTER TABLE assets ADD COLUMN announced_bytes INTEGER;

-- A version in the history was saved: the first two say nothing of it. They stand here so that both
-- tables have the same columns.
ALTER TABLE assets_history ADD COLUMN next_attempt_at TEXT;
ALTER TABLE assets_history ADD COLUMN failed_at TEXT;
ALTER TABLE assets_history ADD COLUMN announced_bytes INTEGER;

-- Saved files by the age of their last check.
CREATE INDEX assets_by_check ON assets (checked_at) WHERE state = 'saved';

-- What each asset host can do, as its own answers showed. `absent`: it does not offer it; `offered`: it
-- says that it can; `proven`: it did, and it was right; `withdrawn`: it was caught being wrong, and is
-- not relied on. NULL: not known yet.
CREATE TABLE asset_hosts (
    host           TEXT PRIMARY KEY NOT NULL,
    etag           TEXT CHECK (etag           IN ('absent', 'offered', 'proven', 'withdrawn')),
    last_modified  TEXT CHECK (last_modified  IN ('absent', 'offered', 'proven', 'withdrawn')),
    range          TEXT CHECK (range          IN ('absent', 'offered', 'proven', 'withdrawn')),
    content_length TEXT CHECK (content_length IN ('absent', 'offered', 'proven', 'withdrawn')),
    head           TEXT CHECK (head           IN ('absent', 'offered', 'proven', 'withdrawn')),
    detail         TEXT,          -- why something was withdrawn last
    changed_at     TEXT NOT NULL  -- when this row was learned
) STRICT, WITHOUT ROWID;

-- The beginnings of large files that were cut off. The bytes lie in the mirror's folder of temporary
-- files; a run goes on behind them if the host still has the version that the validator names.
CREATE TABLE partials (
    media_id   TEXT PRIMARY KEY NOT NULL,
    url        TEXT NOT NULL,
    validator  TEXT NOT NULL,     -- `ETag` or `Last-Modified`, verbatim
    bytes      INTEGER NOT NULL,  -- flushed so far
    sha256     TEXT NOT NULL,     -- of these bytes, hex
    total      INTEGER,           -- length of the whole, where the host told it
    updated_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Files that moved to another path without being fetched again.
ALTER TABLE runs ADD COLUMN assets_moved INTEGER NOT NULL DEFAULT 0;
-- Owed files that were not asked for, because the month's budget was used up.
ALTER TABLE runs ADD COLUMN assets_withheld INTEGER NOT NULL DEFAULT 0;
