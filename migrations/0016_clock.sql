-- When a run began by the machine's own clock. Where that went back, the times of runs and versions go on after what is
-- recorded, and how long ago a run was cannot be told from them.

ALTER TABLE runs ADD COLUMN clock_at TEXT;
