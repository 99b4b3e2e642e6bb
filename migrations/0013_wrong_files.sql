-- Files of listed media that a `verify` found wrong and did not repair: the next run reads them, and owes those that are
-- wrong still.

CREATE TABLE wrong_files (
    media_id     TEXT NOT NULL,
    verification INTEGER NOT NULL,  -- which found it: `verifications.id`
    PRIMARY KEY (media_id, verification)
) STRICT, WITHOUT ROWID;
