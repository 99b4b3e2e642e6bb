-- Many contents with many versions and as many media: what the views are measured on. `temp.crowd` says how
-- many. Nothing is random: the same numbers make the same rows. Each change comes 47 seconds after the one
-- before, and the contents change in turn, in an order that is not that of their ids.

CREATE TEMP TABLE words AS
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 799)
SELECT i AS rowid, char(0x4e00 + (i * 7919) % 9000) || char(0x4e00 + (i * 104729) % 9000)
    || CASE i % 5 WHEN 0 THEN 'の' WHEN 1 THEN 'を' WHEN 2 THEN 'へ' WHEN 3 THEN 'します。' ELSE 'カタログ' END AS word
FROM n;
CREATE UNIQUE INDEX temp.words_once ON words (rowid);
CREATE TEMP TABLE paragraphs (n INTEGER PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO paragraphs
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3999),
    k(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM k WHERE j < 43)
SELECT i, group_concat(w.word, '') FROM n JOIN k
JOIN words AS w ON w.rowid = (i * 7927 + j * j * 31 + j * i * 13) % 800 GROUP BY i;

CREATE TEMP TABLE turns (c INTEGER, v INTEGER, began TEXT NOT NULL, PRIMARY KEY (v, c)) WITHOUT ROWID;
INSERT INTO turns
WITH RECURSIVE v(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM v, crowd WHERE n < versions),
    c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c, crowd WHERE n < contents - 1)
SELECT c.n, v.n, strftime('%Y-%m-%dT%H:%M:%fZ', 1672531200 + 47 * ((v.n - 1) * contents + c.n), 'unixepoch')
FROM v, c, crowd;

CREATE TEMP VIEW written AS
SELECT t.c, t.v, 'api' || (c % 10) AS endpoint,
    printf('%08x%05d', (t.c * 2654435761) & 0xffffffff, t.c) AS id, t.began,
    (SELECT next.began FROM turns AS next WHERE next.v = t.v + 1 AND next.c = t.c) AS ended,
    json_object('id', printf('%08x%05d', (t.c * 2654435761) & 0xffffffff, t.c),
        'status', json_array(CASE WHEN t.c % 20 = 0 THEN 'DRAFT' ELSE 'PUBLISH' END),
        'createdAt', (SELECT first.began FROM turns AS first WHERE first.v = 1 AND first.c = t.c),
        'updatedAt', t.began, 'publishedAt', t.began, 'revisedAt', t.began, 'closedAt', NULL, 'draftKey', NULL,
        'createdBy', 'editor' || (t.c % 17), 'updatedBy', 'editor' || ((t.c + t.v) % 17),
        'customStatus', NULL, 'reservationTime', NULL) AS metadata,
    json_object('id', printf('%08x%05d', (t.c * 2654435761) & 0xffffffff, t.c), 'updatedAt', t.began,
        'title', '第' || t.c || '回の' || substr((SELECT text FROM paragraphs WHERE n = (t.c + t.v) % 4000), 1, 12),
        'image', json_object('url', 'https://images.microcms-assets.io/assets/0123/'
            || printf('%08x', t.c * 2 % (SELECT media * 11 / 10 FROM crowd)) || '/photo.jpg', 'width', 1200, 'height', 800),
        'body', '<p>' || (SELECT text FROM paragraphs WHERE n = (t.c * 3) % 4000) || '</p><p>'
            || (SELECT text FROM paragraphs WHERE n = (t.c * 7 + t.v) % 4000) || '</p><p>'
            || (SELECT text FROM paragraphs WHERE n = (t.c * 11) % 4000) || '</p>') AS body
FROM turns AS t;

INSERT INTO endpoints (endpoint, name, kind, valid_from, schema)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
SELECT 'api' || i, 'API ' || i, 'list', '2023-01-01T00:00:00.000Z', '{"apiFields":[]}' FROM n;

INSERT INTO contents_history (endpoint, id, valid_from, valid_to, metadata, published_body)
SELECT endpoint, id, began, ended, metadata, body FROM written, crowd WHERE v < versions;
INSERT INTO contents (endpoint, id, valid_from, metadata, published_body)
SELECT endpoint, id, began, metadata, body FROM written, crowd WHERE v = versions;

INSERT INTO media (id, file_name, valid_from, metadata)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n, crowd WHERE i < media - 1)
SELECT printf('%08x-0000-4000-8000-%012d', (i * 2654435761) & 0xffffffff, i), 'photo.jpg',
    strftime('%Y-%m-%dT%H:%M:%fZ', 1672531200 + 47 * i, 'unixepoch'),
    json_object('id', printf('%08x-0000-4000-8000-%012d', (i * 2654435761) & 0xffffffff, i),
        'url', 'https://images.microcms-assets.io/assets/0123/' || printf('%08x', i) || '/photo.jpg',
        'width', 1200, 'height', 800, 'createdAt', strftime('%Y-%m-%dT%H:%M:%fZ', 1672531200 + 47 * i, 'unixepoch'))
FROM n;
INSERT INTO media_history (id, file_name, valid_from, valid_to, metadata)
SELECT id, file_name, '2023-01-01T00:00:00.000Z', valid_from, json_set(metadata, '$.alt', 'before') FROM media
WHERE rowid % 5 = 0 AND valid_from > '2023-01-01T00:00:00.000Z';
INSERT INTO assets (media_id, url, path, bytes, sha256, state, valid_from)
SELECT id, metadata ->> '$.url', 'media/' || id || '/photo.jpg', 1000, printf('%064x', rowid), 'saved', valid_from
FROM media;
