-- Who somebody claims to be. `verified` of a contact: which of what is known of them was stated by a signed claim or by the team
-- (1 id, 2 e-mail address, 4 name, 8 properties). What was known before this column counts as unverified, and stays.
ALTER TABLE contacts ADD COLUMN verified BIGINT NOT NULL DEFAULT 0;

-- `identity`: what the claim of a response was worth (`unsigned`, `verified`, `expired`, `wrong`, `team`), null when it named nobody.
-- `claimed`: JSON of what an unverified claim said that is not what is known of the contact.
ALTER TABLE responses ADD COLUMN identity TEXT;
ALTER TABLE responses ADD COLUMN claimed TEXT;

-- `shown` or `off`: what becomes of claims without a valid signature.
ALTER TABLE projects ADD COLUMN unsigned_identity TEXT NOT NULL DEFAULT 'shown';

-- Secrets that a project's own servers sign identities with. Readable, because checking a signature needs them.
CREATE TABLE identity_secrets (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    secret TEXT NOT NULL,
    created_by TEXT REFERENCES staff (id),
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);
CREATE INDEX identity_secrets_project ON identity_secrets (project_id, created_at);
