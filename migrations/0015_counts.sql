-- Files that lie in a folder for what has no place of its own are few: a run finds them without reading the rows of all
-- files. All entries have the same key, as in `assets_due`, and stand in the order of their rows' numbers.
CREATE INDEX assets_aside ON assets ((state < '')) WHERE state = 'saved' AND instr(path, '/_unsafe/') > 0;

-- Files are counted without reading their rows: those that are saved from the index that has their lengths, too, those
-- that are owed from `assets_due`, those that are gone from one of their own, which has few entries as well.
DROP INDEX assets_by_check;
CREATE INDEX assets_by_check ON assets (checked_at, bytes) WHERE state = 'saved';
CREATE INDEX assets_gone ON assets ((state < '')) WHERE state = 'gone';
