-- Bodies that were older than their listing says and that the service insisted on: they are recorded, and asked for again
-- later, for it may have been a cache that insisted.

CREATE TABLE doubted_bodies (
    endpoint   TEXT NOT NULL,
    id         TEXT NOT NULL,
    side       TEXT NOT NULL CHECK (side IN ('published', 'draft')),
    updated_at TEXT,              -- as listed then; once the listing moves on, the doubt is over
    looks      INTEGER NOT NULL,  -- how often it was asked for again
    look_at    TEXT NOT NULL,     -- when that is due next
    PRIMARY KEY (endpoint, id, side)
) STRICT, WITHOUT ROWID;
