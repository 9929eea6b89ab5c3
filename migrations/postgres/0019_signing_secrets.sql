-- The secrets that links and forms are signed with, by generation. The newest one that is active signs; the others still verify, until they
-- are removed. `sealed`: proof of the file that is needed besides; null: none is.
CREATE TABLE signing_secrets (
    generation BIGINT PRIMARY KEY,
    -- URL-safe base64.
    secret TEXT NOT NULL,
    sealed TEXT,
    active_from BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO signing_secrets (generation, secret, active_from, created_at) SELECT 1, secret, 0, created_at FROM installation;
