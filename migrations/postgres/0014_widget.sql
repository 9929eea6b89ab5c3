-- Query parameters that are kept in the addresses of pages, as a JSON list; all others are left out.
ALTER TABLE projects ADD COLUMN kept_parameters TEXT NOT NULL DEFAULT '[]';
