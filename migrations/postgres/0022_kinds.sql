-- What an entry of the history is about, beside its details: queries no longer search in the JSON.
ALTER TABLE history ADD COLUMN kind TEXT NOT NULL DEFAULT '';
UPDATE history SET kind = COALESCE(substring(change FROM '^\{"what":"([a-z_]+)"'), '');

-- Which capability undoes an operation. Before, the format of the JSON told.
ALTER TABLE undo_operations ADD COLUMN kind TEXT NOT NULL DEFAULT '';
UPDATE undo_operations SET kind = CASE WHEN changes LIKE '[%' THEN 'feedback' WHEN changes LIKE '{"reply"%' THEN 'reply' ELSE 'backlog' END;
