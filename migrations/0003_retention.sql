-- What retention removes, in an order that a crash cannot turn into a row without its file.

-- Files whose rows `prune` has removed and which it has not looked at yet. Written in the transaction
-- that removes the rows; a row leaves when its file was removed, or turned out to be needed. Only
-- `prune` reads it: no other command removes a file.
CREATE TABLE doomed_files (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256    TEXT NOT NULL,
    path      TEXT,               -- relative to the mirror; NULL: archived bytes
    doomed_at TEXT NOT NULL
) STRICT;
-- A digest that many rows named is looked at once.
CREATE UNIQUE INDEX doomed_files_once ON doomed_files (sha256, ifnull(path, ''));

-- Each `prune` that had something to remove. Before the latest of its two times history is not whole any
-- more: what is not found there may have been removed.
CREATE TABLE prunes (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    program           TEXT NOT NULL,
    started_at        TEXT NOT NULL,
    finished_at       TEXT,       -- NULL: it was stopped, and the next one goes on
    superseded_before TEXT,       -- versions that were superseded before this went; NULL: none
    deleted_before    TEXT,       -- what was deleted upstream before this went; NULL: nothing
    versions          INTEGER NOT NULL DEFAULT 0,   -- rows removed from the history
    deleted           INTEGER NOT NULL DEFAULT 0,   -- APIs, contents and media removed
    files             INTEGER NOT NULL DEFAULT 0,
    bytes             INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Does a current file have these bytes? Asked before bytes are removed.
CREATE INDEX assets_by_sha256 ON assets (sha256) WHERE sha256 IS NOT NULL;
