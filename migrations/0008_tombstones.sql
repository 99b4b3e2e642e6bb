-- Tombstones are few: what is live is counted, and what a listing lacks is found, by ids and these.

CREATE INDEX contents_deleted ON contents (endpoint, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX media_deleted ON media (id) WHERE deleted_at IS NOT NULL;
