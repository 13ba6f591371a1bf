-- Operators may be removed: a snapshot from before the last removal reads all of them anew.

ALTER TABLE register ADD COLUMN operators_removed_at INTEGER NOT NULL DEFAULT 0;
