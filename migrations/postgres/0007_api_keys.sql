-- A key of the API acts as somebody of its own: the row of the same id in `staff` carries its name in histories. That row has no
-- password and no membership, so nobody signs in as it and nothing is assigned to it. Only the hash of the key is kept.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY REFERENCES staff (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    prefix TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    access TEXT NOT NULL,
    created_by TEXT REFERENCES staff (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_project ON api_keys (project_id, created_at);

-- Lists of the API go from the newest back.
CREATE INDEX backlog_items_time ON backlog_items (project_id, created_at, id);
CREATE INDEX tickets_time ON tickets (project_id, created_at, id);
