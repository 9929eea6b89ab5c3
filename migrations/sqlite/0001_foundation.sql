-- Ids are UUIDs as text, times are milliseconds since the Unix epoch, JSON is text: the types that both databases share.

CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    instance TEXT NOT NULL,
    secret TEXT NOT NULL,
    setup_token_hash TEXT,
    created_at INTEGER NOT NULL
);

CREATE TABLE staff (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    theme TEXT NOT NULL DEFAULT 'auto',
    -- 1: runs the installation, and becomes an owner of projects made on the command line.
    operator INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    public_key TEXT NOT NULL UNIQUE,
    origins TEXT NOT NULL DEFAULT '[]',
    language TEXT NOT NULL DEFAULT 'en',
    accent TEXT NOT NULL,
    theme TEXT NOT NULL DEFAULT 'auto',
    created_at INTEGER NOT NULL
);

CREATE TABLE memberships (
    project_id TEXT NOT NULL REFERENCES projects (id),
    staff_id TEXT NOT NULL REFERENCES staff (id),
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, staff_id)
);
CREATE INDEX memberships_staff ON memberships (staff_id);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    role TEXT NOT NULL,
    email TEXT,
    token_hash TEXT NOT NULL UNIQUE,
    created_by TEXT NOT NULL REFERENCES staff (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by TEXT REFERENCES staff (id),
    used_at INTEGER,
    revoked_at INTEGER
);
CREATE INDEX invitations_project ON invitations (project_id);

-- The id in the cookie is a secret: only its hash is kept.
CREATE TABLE sessions (
    id_hash TEXT PRIMARY KEY,
    staff_id TEXT REFERENCES staff (id),
    data TEXT NOT NULL,
    user_agent TEXT,
    address TEXT,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX sessions_staff ON sessions (staff_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    outcome TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- `draft_revision` grows with every change; `draft_position` is the draft's place among its kept states, which undo moves back;
-- `last_number` is the highest number that an id of a question or choice ever had.
CREATE TABLE surveys (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    draft TEXT NOT NULL,
    draft_revision INTEGER NOT NULL,
    draft_position INTEGER NOT NULL,
    last_number INTEGER NOT NULL,
    live_version_id TEXT,
    created_by TEXT REFERENCES staff (id),
    created_at INTEGER NOT NULL,
    updated_by TEXT REFERENCES staff (id),
    updated_at INTEGER NOT NULL
);
CREATE INDEX surveys_project ON surveys (project_id, created_at);

-- The kept states of a draft, for undo and redo. A `text` state may be overwritten by more typing of the same person.
CREATE TABLE survey_drafts (
    survey_id TEXT NOT NULL REFERENCES surveys (id),
    position INTEGER NOT NULL,
    body TEXT NOT NULL,
    step TEXT NOT NULL,
    staff_id TEXT REFERENCES staff (id),
    saved_at INTEGER NOT NULL,
    PRIMARY KEY (survey_id, position)
);

-- Never changed once written.
CREATE TABLE survey_versions (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    survey_id TEXT NOT NULL REFERENCES surveys (id),
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    published_by TEXT REFERENCES staff (id),
    published_at INTEGER NOT NULL,
    UNIQUE (survey_id, number)
);

CREATE TABLE contacts (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    external_id TEXT,
    email TEXT,
    name TEXT,
    attributes TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    UNIQUE (project_id, external_id)
);
CREATE INDEX contacts_email ON contacts (project_id, email);

CREATE TABLE responses (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    survey_id TEXT NOT NULL REFERENCES surveys (id),
    version_id TEXT NOT NULL REFERENCES survey_versions (id),
    contact_id TEXT REFERENCES contacts (id),
    source TEXT NOT NULL,
    language TEXT NOT NULL,
    page_url TEXT,
    referrer TEXT,
    release TEXT,
    environment TEXT,
    user_agent TEXT,
    spam_reasons TEXT NOT NULL DEFAULT '[]',
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER
);
CREATE INDEX responses_survey ON responses (project_id, survey_id, started_at);
CREATE INDEX responses_version ON responses (version_id);

CREATE TABLE answers (
    response_id TEXT NOT NULL REFERENCES responses (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    survey_id TEXT NOT NULL REFERENCES surveys (id),
    question_id TEXT NOT NULL,
    value TEXT NOT NULL,
    number REAL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (response_id, question_id)
);
CREATE INDEX answers_question ON answers (survey_id, question_id);

CREATE TABLE feedback (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    score REAL,
    score_max REAL,
    contact_id TEXT REFERENCES contacts (id),
    survey_id TEXT REFERENCES surveys (id),
    response_id TEXT UNIQUE REFERENCES responses (id),
    source_key TEXT,
    page_url TEXT,
    release TEXT,
    environment TEXT,
    language TEXT NOT NULL,
    status TEXT NOT NULL,
    assignee TEXT REFERENCES staff (id),
    spam_reasons TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (project_id, source_key)
);
CREATE INDEX feedback_time ON feedback (project_id, created_at, id);
CREATE INDEX feedback_status ON feedback (project_id, status, created_at);
CREATE INDEX feedback_survey ON feedback (survey_id);

CREATE TABLE feedback_tags (
    feedback_id TEXT NOT NULL REFERENCES feedback (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    tag TEXT NOT NULL,
    PRIMARY KEY (feedback_id, tag)
);
CREATE INDEX feedback_tags_project ON feedback_tags (project_id, tag);

CREATE TABLE comments (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    feedback_id TEXT NOT NULL REFERENCES feedback (id),
    staff_id TEXT NOT NULL REFERENCES staff (id),
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX comments_feedback ON comments (feedback_id, created_at);

-- What happened to an item, for people; `subject_id` is a feedback or a backlog item, `version` its
-- version after the change.
CREATE TABLE history (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    subject_id TEXT NOT NULL,
    staff_id TEXT REFERENCES staff (id),
    change TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL
);
CREATE INDEX history_subject ON history (subject_id, at);

-- What a person did in one step and can take back: JSON of each item's values before and after.
CREATE TABLE undo_operations (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    staff_id TEXT NOT NULL REFERENCES staff (id),
    changes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    undone_at INTEGER
);
CREATE INDEX undo_operations_age ON undo_operations (created_at);

CREATE TABLE backlog_items (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    number INTEGER NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    -- Title and body in lower case without accents, for searching.
    search TEXT NOT NULL,
    status TEXT NOT NULL,
    created_by TEXT REFERENCES staff (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (project_id, number)
);

CREATE TABLE links (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    feedback_id TEXT NOT NULL REFERENCES feedback (id),
    backlog_id TEXT NOT NULL REFERENCES backlog_items (id),
    quote TEXT,
    importance TEXT NOT NULL DEFAULT 'normal',
    created_by TEXT REFERENCES staff (id),
    created_at INTEGER NOT NULL,
    UNIQUE (feedback_id, backlog_id)
);
CREATE INDEX links_backlog ON links (backlog_id);

-- Every change to feedback, in the order the search index follows.
CREATE TABLE feedback_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    feedback_id TEXT NOT NULL,
    project_id TEXT NOT NULL
);

CREATE TABLE imports (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    file_hash TEXT NOT NULL,
    mapping TEXT NOT NULL,
    status TEXT NOT NULL,
    bytes_total INTEGER NOT NULL,
    bytes_done INTEGER NOT NULL,
    rows_added INTEGER NOT NULL,
    rows_known INTEGER NOT NULL,
    rows_bad INTEGER NOT NULL,
    error TEXT,
    created_by TEXT REFERENCES staff (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER
);
CREATE INDEX imports_project ON imports (project_id, created_at);

CREATE TABLE import_chunks (
    import_id TEXT NOT NULL REFERENCES imports (id),
    n INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (import_id, n)
);

CREATE TABLE import_errors (
    import_id TEXT NOT NULL REFERENCES imports (id),
    line INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (import_id, line)
);

-- `attempts` counts claims and tells one holder of the lease from the next; `failures` counts those in a row that came to nothing.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    leased_until INTEGER,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
);
CREATE INDEX jobs_due ON jobs (state, run_at);
