-- Each table and each index is a B-tree that a new response is put into; these were not worth it.

-- Answers are found by their response, in every query that there is.
DROP INDEX answers_question;
-- Versions and surveys are never removed, and nothing is looked up by them alone.
DROP INDEX responses_version;
DROP INDEX feedback_survey;

-- Tables that are read by their key alone need no second tree for it.
CREATE TABLE answers_clustered (
    response_id TEXT NOT NULL REFERENCES responses (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    survey_id TEXT NOT NULL REFERENCES surveys (id),
    question_id TEXT NOT NULL,
    value TEXT NOT NULL,
    number REAL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (response_id, question_id)
) WITHOUT ROWID;
INSERT INTO answers_clustered (response_id, project_id, survey_id, question_id, value, number, answered_at)
SELECT response_id, project_id, survey_id, question_id, value, number, answered_at FROM answers ORDER BY response_id, question_id;
DROP TABLE answers;
ALTER TABLE answers_clustered RENAME TO answers;

CREATE TABLE idempotency_clustered (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    outcome TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
INSERT INTO idempotency_clustered (scope, key, outcome, created_at) SELECT scope, key, outcome, created_at FROM idempotency ORDER BY scope, key;
DROP TABLE idempotency;
ALTER TABLE idempotency_clustered RENAME TO idempotency;
CREATE INDEX idempotency_age ON idempotency (created_at);

-- History is read a subject at a time.
CREATE TABLE history_clustered (
    id TEXT NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id),
    subject_id TEXT NOT NULL,
    staff_id TEXT REFERENCES staff (id),
    change TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL,
    PRIMARY KEY (subject_id, at, id)
) WITHOUT ROWID;
INSERT INTO history_clustered (id, project_id, subject_id, staff_id, change, version, at)
SELECT id, project_id, subject_id, staff_id, change, version, at FROM history ORDER BY subject_id, at, id;
DROP TABLE history;
ALTER TABLE history_clustered RENAME TO history;
