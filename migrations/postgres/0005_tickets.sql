-- 1: people may write tickets at /p/{slug}.
ALTER TABLE projects ADD COLUMN portal BIGINT NOT NULL DEFAULT 1;

-- A support conversation; what can be searched and triaged of it is its feedback.
CREATE TABLE tickets (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    number BIGINT NOT NULL,
    feedback_id TEXT NOT NULL UNIQUE REFERENCES feedback (id),
    subject TEXT NOT NULL,
    email TEXT NOT NULL,
    name TEXT,
    -- The language that the requester read the portal in.
    language TEXT NOT NULL,
    user_agent TEXT,
    priority TEXT NOT NULL,
    state TEXT NOT NULL,
    first_response_at BIGINT,
    resolved_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, number)
);
CREATE INDEX tickets_state ON tickets (project_id, state, updated_at);

-- `author`: requester, staff or note; a note is the team's own and never leaves it. `staff_id` is null for the requester and for programs.
CREATE TABLE ticket_messages (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    ticket_id TEXT NOT NULL REFERENCES tickets (id),
    author TEXT NOT NULL,
    staff_id TEXT REFERENCES staff (id),
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX ticket_messages_ticket ON ticket_messages (ticket_id, created_at, id);

-- A file of a message. Until its message is sent it has none and is held for the form whose key `held_for` is.
CREATE TABLE attachments (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    ticket_id TEXT REFERENCES tickets (id),
    message_id TEXT REFERENCES ticket_messages (id),
    held_for TEXT,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX attachments_message ON attachments (message_id);
CREATE INDEX attachments_ticket ON attachments (ticket_id);
CREATE INDEX attachments_held ON attachments (created_at) WHERE message_id IS NULL;

CREATE TABLE attachment_chunks (
    attachment_id TEXT NOT NULL REFERENCES attachments (id),
    n BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (attachment_id, n)
);
