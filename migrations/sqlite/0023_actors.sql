-- Who acts: a person, an API key, a rule or an integration (`kind`). What they did names their row here. The system itself, and visitors, have
-- no row: columns that refer to actors are null for them. What a person signs in with is in `accounts`, and nothing else is.

-- Each row of `staff` moves, and SQLite then looks for rows that refer to it. With these indexes it reads no large table for each of them.
CREATE INDEX moving_feedback ON feedback (assignee) WHERE assignee IS NOT NULL;
CREATE INDEX moving_history ON history (staff_id) WHERE staff_id IS NOT NULL;
CREATE INDEX moving_comments ON comments (staff_id);
CREATE INDEX moving_links ON links (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX moving_backlog_items ON backlog_items (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX moving_ticket_messages ON ticket_messages (staff_id) WHERE staff_id IS NOT NULL;
CREATE INDEX moving_survey_drafts ON survey_drafts (staff_id) WHERE staff_id IS NOT NULL;
CREATE INDEX moving_undo_operations ON undo_operations (staff_id);

-- All that referred to `staff` now refers to `actors`. That table is then built again with other columns, and has the same rows at the end
-- of the transaction, which is when SQLite checks references.
ALTER TABLE staff RENAME TO actors;
PRAGMA defer_foreign_keys = ON;
CREATE TABLE moving_staff (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    theme TEXT NOT NULL,
    operator INTEGER NOT NULL
);
INSERT INTO moving_staff (id, kind, name, created_at, email, password_hash, theme, operator)
SELECT id, CASE WHEN email = 'key:' || id THEN 'api_key' ELSE 'person' END, name, created_at, email, password_hash, theme, operator FROM actors;
DROP TABLE actors;
CREATE TABLE actors (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
INSERT INTO actors (id, kind, name, created_at) SELECT id, kind, name, created_at FROM moving_staff;
CREATE TABLE accounts (
    id TEXT PRIMARY KEY REFERENCES actors (id),
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    theme TEXT NOT NULL DEFAULT 'auto',
    -- 1: runs the installation, and becomes an owner of projects made on the command line.
    operator INTEGER NOT NULL DEFAULT 0
);
INSERT INTO accounts (id, email, password_hash, theme, operator)
SELECT id, email, password_hash, theme, operator FROM moving_staff WHERE kind = 'person';
DROP TABLE moving_staff;

DROP INDEX moving_feedback;
DROP INDEX moving_history;
DROP INDEX moving_comments;
DROP INDEX moving_links;
DROP INDEX moving_backlog_items;
DROP INDEX moving_ticket_messages;
DROP INDEX moving_survey_drafts;
DROP INDEX moving_undo_operations;

-- Any actor may have written these.
ALTER TABLE comments RENAME COLUMN staff_id TO actor_id;
ALTER TABLE history RENAME COLUMN staff_id TO actor_id;
ALTER TABLE undo_operations RENAME COLUMN staff_id TO actor_id;
ALTER TABLE survey_drafts RENAME COLUMN staff_id TO actor_id;
ALTER TABLE ticket_messages RENAME COLUMN staff_id TO actor_id;

-- Only people belong to projects, sign in, reset passwords, accept invitations and lend keys their role. `feedback.assignee` is a person as
-- well; it goes on referring to `actors`, because SQLite changes a reference only by writing the whole table again.
CREATE TABLE memberships_of_accounts (
    project_id TEXT NOT NULL REFERENCES projects (id),
    staff_id TEXT NOT NULL REFERENCES accounts (id),
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, staff_id)
);
INSERT INTO memberships_of_accounts (project_id, staff_id, role, created_at)
SELECT project_id, staff_id, role, created_at FROM memberships;
DROP TABLE memberships;
ALTER TABLE memberships_of_accounts RENAME TO memberships;
CREATE INDEX memberships_staff ON memberships (staff_id);

CREATE TABLE sessions_of_accounts (
    id_hash TEXT PRIMARY KEY,
    staff_id TEXT REFERENCES accounts (id),
    data TEXT NOT NULL,
    user_agent TEXT,
    address TEXT,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
INSERT INTO sessions_of_accounts (id_hash, staff_id, data, user_agent, address, created_at, seen_at, expires_at)
SELECT id_hash, staff_id, data, user_agent, address, created_at, seen_at, expires_at FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_of_accounts RENAME TO sessions;
CREATE INDEX sessions_staff ON sessions (staff_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE password_resets_of_accounts (
    token_hash TEXT PRIMARY KEY,
    staff_id TEXT NOT NULL REFERENCES accounts (id),
    letter_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
INSERT INTO password_resets_of_accounts (token_hash, staff_id, letter_id, created_at, expires_at)
SELECT token_hash, staff_id, letter_id, created_at, expires_at FROM password_resets;
DROP TABLE password_resets;
ALTER TABLE password_resets_of_accounts RENAME TO password_resets;
CREATE INDEX password_resets_staff ON password_resets (staff_id);

CREATE TABLE invitations_of_actors (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    role TEXT NOT NULL,
    email TEXT,
    token_hash TEXT NOT NULL UNIQUE,
    created_by TEXT NOT NULL REFERENCES actors (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by TEXT REFERENCES accounts (id),
    used_at INTEGER,
    revoked_at INTEGER
);
INSERT INTO invitations_of_actors (id, project_id, role, email, token_hash, created_by, created_at, expires_at, used_by, used_at, revoked_at)
SELECT id, project_id, role, email, token_hash, created_by, created_at, expires_at, used_by, used_at, revoked_at FROM invitations;
DROP TABLE invitations;
ALTER TABLE invitations_of_actors RENAME TO invitations;
CREATE INDEX invitations_project ON invitations (project_id);

CREATE TABLE api_keys_of_accounts (
    id TEXT PRIMARY KEY REFERENCES actors (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    prefix TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    access TEXT NOT NULL,
    created_by TEXT REFERENCES accounts (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    revoked_at INTEGER,
    handed_to TEXT
);
INSERT INTO api_keys_of_accounts (id, project_id, prefix, token_hash, access, created_by, created_at, expires_at, used_at, revoked_at, handed_to)
SELECT id, project_id, prefix, token_hash, access, created_by, created_at, expires_at, used_at, revoked_at, handed_to FROM api_keys;
DROP TABLE api_keys;
ALTER TABLE api_keys_of_accounts RENAME TO api_keys;
CREATE INDEX api_keys_project ON api_keys (project_id, created_at);
