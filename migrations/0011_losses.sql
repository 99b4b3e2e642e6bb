-- Bytes that are here no more and at the service no more, and that a person said are lost: `verify` and the runs are
-- silent about them.

CREATE TABLE accepted_losses (
    sha256      TEXT PRIMARY KEY NOT NULL,  -- hex
    accepted_at TEXT NOT NULL
) STRICT;
