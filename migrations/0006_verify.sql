-- What `verify` found, one row for each that came to its end. It says nothing of single files: a
-- million of them would be a million rows each night.
CREATE TABLE verifications (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    program     TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    scope       TEXT NOT NULL CHECK (scope IN ('everything', 'database', 'remote')),
    is_repair   INTEGER NOT NULL CHECK (is_repair IN (0, 1)),
    -- Which files were read, not only looked at: those whose names hash (to 32 bits) to one of `width`
    -- numbers from `slice` on, around the end. The next `--subset` begins where this one ended. NULL:
    -- no files were read.
    slice       INTEGER CHECK (slice BETWEEN 0 AND 4294967295),
    width       INTEGER CHECK (width BETWEEN 1 AND 4294967296),
    files       INTEGER NOT NULL, -- files that were read
    bytes       INTEGER NOT NULL, -- their bytes
    differences INTEGER NOT NULL, -- all of them
    repaired    INTEGER NOT NULL, -- those among them that are restored, or owed again
    kinds       TEXT NOT NULL CHECK (json_valid(kinds)), -- JSON: the differences of each kind
    exit_code   INTEGER NOT NULL
) STRICT;
