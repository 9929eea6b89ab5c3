-- The zone whose days a project's results, filters, imports and exports mean: a name of the IANA database.
ALTER TABLE projects ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
