-- Letters that go out. `recipient` is as typed. `content` is JSON of what the letter says, empty when that has been forgotten; `link` stands
-- alone because it may hold a secret: it is forgotten as soon as the letter is sent. `about` is what the letter is about: a ticket, an
-- invitation, a person. `state` is queued, sent, dead (given up) or discarded; `given_up_at` says that a discarded one was dead.
CREATE TABLE letters (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id),
    kind TEXT NOT NULL,
    about TEXT,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    content TEXT NOT NULL,
    link TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    next_at INTEGER,
    not_after INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    given_up_at INTEGER
);
CREATE INDEX letters_state ON letters (state, created_at);
CREATE INDEX letters_about ON letters (about);
CREATE INDEX letters_recipient ON letters (recipient, kind, created_at);

-- Links that set a new password. Only the hash of the link's secret is kept; `letter` is the letter that carries it.
CREATE TABLE password_resets (
    token_hash TEXT PRIMARY KEY,
    staff_id TEXT NOT NULL REFERENCES staff (id),
    letter_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX password_resets_staff ON password_resets (staff_id);
