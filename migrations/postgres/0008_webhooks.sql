-- Addresses of other programs that are told what happens in a project. `kinds` is a list with commas around each word: ,a,b,
CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    url TEXT NOT NULL,
    note TEXT NOT NULL,
    kinds TEXT NOT NULL,
    -- Readable, because signing needs it; the one before signs along for a day.
    secret TEXT NOT NULL,
    old_secret TEXT,
    old_secret_until BIGINT,
    enabled BIGINT NOT NULL,
    -- Why the program itself turned it off.
    disabled_reason TEXT,
    -- Tries in a row that failed, and since when.
    failures BIGINT NOT NULL DEFAULT 0,
    failing_since BIGINT,
    created_by TEXT REFERENCES staff (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_project ON webhook_endpoints (project_id, created_at);

-- What happened, as it is told: `body` is sent byte for byte.
CREATE TABLE webhook_events (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhook_events_age ON webhook_events (created_at);

-- One event on its way to one endpoint. A worker that claims it moves `next_at` to the end of its lease and counts `claims`.
CREATE TABLE webhook_deliveries (
    event_id TEXT NOT NULL REFERENCES webhook_events (id),
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    -- All tries, and those that failed since it was last put on its way.
    tries BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    claims BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    last_at BIGINT,
    last_status BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (event_id, endpoint_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, state, next_at);
CREATE INDEX webhook_deliveries_time ON webhook_deliveries (endpoint_id, created_at, event_id);

CREATE TABLE webhook_attempts (
    event_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    took_ms BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    -- The beginning of what was answered.
    excerpt TEXT NOT NULL,
    PRIMARY KEY (event_id, endpoint_id, n),
    FOREIGN KEY (event_id, endpoint_id) REFERENCES webhook_deliveries (event_id, endpoint_id)
);

-- How far the change sequence was told to webhooks; one row.
CREATE TABLE webhook_cursor (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    tx BIGINT NOT NULL,
    seq BIGINT NOT NULL
);
INSERT INTO webhook_cursor (id, tx, seq) VALUES (1, 0, 0);

-- 1: this change made the feedback; webhooks tell "created" from "updated" by it.
ALTER TABLE feedback_changes ADD COLUMN made BIGINT NOT NULL DEFAULT 0;
