-- The encoding that an imported file seems to be in, by its label in the WHATWG Encoding Standard.
ALTER TABLE imports ADD COLUMN encoding TEXT NOT NULL DEFAULT '';

-- What was wrong with the rows of an import, counted by kind, with the first of them as JSON.
CREATE TABLE import_problems (
    import_id TEXT NOT NULL REFERENCES imports (id),
    fault TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    examples TEXT NOT NULL,
    PRIMARY KEY (import_id, fault)
) WITHOUT ROWID;

-- Imported rows are of a kind of their own. A ticket has a conversation, which no file brings. The search index is of a new version and is built again.
UPDATE feedback SET kind = 'import'
WHERE import_id IS NOT NULL
  AND (kind = 'api' OR kind = 'ticket' AND NOT EXISTS (SELECT 1 FROM tickets t WHERE t.feedback_id = feedback.id));
