-- Which import brought a row, so that an import can be taken back.
ALTER TABLE feedback ADD COLUMN import_id TEXT REFERENCES imports (id);
CREATE INDEX feedback_import ON feedback (import_id, id) WHERE import_id IS NOT NULL;

-- What taking back an import removed.
ALTER TABLE imports ADD COLUMN rows_removed BIGINT NOT NULL DEFAULT 0;

-- A step done in several pieces is taken back as one: the later pieces name the first.
ALTER TABLE undo_operations ADD COLUMN follows TEXT;
CREATE INDEX undo_operations_follows ON undo_operations (follows) WHERE follows IS NOT NULL;
