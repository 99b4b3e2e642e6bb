-- What is owed is asked for in the order in which it was listed, and not of ids. That is the order of the rows: what one
-- transaction fills in lies side by side, and its pages are written once and not for each row anew.

-- Not renamed: views that name the table would follow.
CREATE TABLE owed_bodies_before AS SELECT * FROM owed_bodies;
DROP TABLE owed_bodies;

CREATE TABLE owed_bodies (
    number     INTEGER PRIMARY KEY,
    endpoint   TEXT NOT NULL,
    id         TEXT NOT NULL,
    side       TEXT NOT NULL CHECK (side IN ('published', 'draft')),
    state      TEXT NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'refused')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    owed_at    TEXT NOT NULL      -- when it was asked for last; an answer to an older question does not count
) STRICT;
CREATE UNIQUE INDEX owed_bodies_by_name ON owed_bodies (endpoint, id, side);

INSERT INTO owed_bodies (endpoint, id, side, state, attempts, last_error, owed_at)
SELECT o.endpoint, o.id, o.side, o.state, o.attempts, o.last_error, o.owed_at
FROM owed_bodies_before AS o LEFT JOIN contents AS c ON c.endpoint = o.endpoint AND c.id = o.id
ORDER BY c.rowid, o.side DESC;

DROP TABLE owed_bodies_before;

-- Each entry ends in the number, so that those of one API are in order.
CREATE INDEX owed_bodies_in_order ON owed_bodies (endpoint);

-- Files as well. No state is less than nothing, so that all entries have the same key, and stand in the order of their
-- rows' numbers.
DROP INDEX assets_due;
CREATE INDEX assets_due ON assets ((state < '')) WHERE state IN ('owed', 'failed') OR recheck_at IS NOT NULL;
