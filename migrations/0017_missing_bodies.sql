-- A body that its status has and that is not here is no body without keys: what changed in it, nobody knows. And a content
-- that is deleted has no status.

DROP VIEW changes;
DROP VIEW changed_fields;

-- One row per changed key of a change, with its value before and after (JSON text for what is no text or
-- number; NULL: it was not there). A draft key is a secret: that it changed is told, not what it is.
CREATE VIEW changed_fields AS
SELECT p.at, p.kind, p.endpoint, p.id, part.part, new.key AS field,
       iif(new.key = 'draftKey', NULL, old.value) AS old, iif(new.key = 'draftKey', NULL, new.value) AS new
FROM version_pairs AS p
JOIN (SELECT 'metadata' AS part, NULL AS lacking UNION ALL SELECT 'published', 'DRAFT'
      UNION ALL SELECT 'draft', 'PUBLISH CLOSED') AS part
JOIN json_each(CASE part.part WHEN 'metadata' THEN p.new_metadata WHEN 'published' THEN p.new_published
               ELSE p.new_draft END) AS new
LEFT JOIN json_each(CASE part.part WHEN 'metadata' THEN p.old_metadata WHEN 'published' THEN p.old_published
               ELSE p.old_draft END) AS old ON old.key = new.key
WHERE p.old_metadata IS NOT NULL AND (new.value IS NOT old.value OR new.type IS NOT old.type)
  AND (CASE part.part WHEN 'metadata' THEN '' WHEN 'published' THEN p.old_published ELSE p.old_draft END IS NOT NULL
       OR instr(part.lacking, p.old_metadata ->> '$.status[0]'))
UNION ALL
SELECT p.at, p.kind, p.endpoint, p.id, part.part, old.key, iif(old.key = 'draftKey', NULL, old.value), NULL
FROM version_pairs AS p
JOIN (SELECT 'metadata' AS part, NULL AS lacking UNION ALL SELECT 'published', 'DRAFT'
      UNION ALL SELECT 'draft', 'PUBLISH CLOSED') AS part
JOIN json_each(CASE part.part WHEN 'metadata' THEN p.old_metadata WHEN 'published' THEN p.old_published
               ELSE p.old_draft END) AS old
WHERE p.old_metadata IS NOT NULL
  AND (CASE part.part WHEN 'metadata' THEN '' WHEN 'published' THEN p.new_published ELSE p.new_draft END IS NOT NULL
       OR instr(part.lacking, p.new_metadata ->> '$.status[0]'))
  AND NOT EXISTS (
    SELECT 1 FROM json_each(CASE part.part WHEN 'metadata' THEN p.new_metadata WHEN 'published' THEN p.new_published
                            ELSE p.new_draft END) AS new WHERE new.key = old.key);

-- One row per change: when a run saw it, of what, by whom, and which keys of the metadata and of the bodies
-- are other ones (a JSON list; the metadata's as they are, the bodies' behind `published.` and `draft.`).
-- `created` is what was seen for the first time; `known`, the first version that `prune` has left.
CREATE VIEW changes AS
SELECT at, kind, endpoint, id,
       CASE WHEN old_metadata IS NULL THEN iif(at < (SELECT at FROM pruned_before), 'known', 'created')
            WHEN was_deleted IS NULL AND is_deleted IS NOT NULL THEN 'deleted'
            WHEN was_deleted IS NOT NULL AND is_deleted IS NULL THEN 'returned'
            ELSE 'changed' END AS change,
       by,
       iif(was_deleted IS NULL, old_metadata ->> '$.status[0]', NULL) AS old_status,
       iif(is_deleted IS NULL, new_metadata ->> '$.status[0]', NULL) AS new_status,
       CASE WHEN old_metadata IS NOT NULL THEN (
           SELECT json_group_array(field) FROM (
               SELECT n.key AS field FROM json_each(new_metadata) AS n
               LEFT JOIN json_each(old_metadata) AS o ON o.key = n.key
               WHERE n.value IS NOT o.value OR n.type IS NOT o.type
               UNION ALL
               SELECT o.key FROM json_each(old_metadata) AS o
               WHERE NOT EXISTS (SELECT 1 FROM json_each(new_metadata) AS n WHERE n.key = o.key)
               UNION ALL
               SELECT 'published.' || n.key FROM json_each(new_published) AS n
               LEFT JOIN json_each(old_published) AS o ON o.key = n.key
               WHERE (n.value IS NOT o.value OR n.type IS NOT o.type)
                 AND (old_published IS NOT NULL OR old_metadata ->> '$.status[0]' = 'DRAFT')
               UNION ALL
               SELECT 'published.' || o.key FROM json_each(old_published) AS o
               WHERE (new_published IS NOT NULL OR new_metadata ->> '$.status[0]' = 'DRAFT')
                 AND NOT EXISTS (SELECT 1 FROM json_each(new_published) AS n WHERE n.key = o.key)
               UNION ALL
               SELECT 'draft.' || n.key FROM json_each(new_draft) AS n
               LEFT JOIN json_each(old_draft) AS o ON o.key = n.key
               WHERE (n.value IS NOT o.value OR n.type IS NOT o.type)
                 AND (old_draft IS NOT NULL OR old_metadata ->> '$.status[0]' IN ('PUBLISH', 'CLOSED'))
               UNION ALL
               SELECT 'draft.' || o.key FROM json_each(old_draft) AS o
               WHERE (new_draft IS NOT NULL OR new_metadata ->> '$.status[0]' IN ('PUBLISH', 'CLOSED'))
                 AND NOT EXISTS (SELECT 1 FROM json_each(new_draft) AS n WHERE n.key = o.key)))
       END AS fields
FROM version_pairs;
