-- What a key was used for: SHA-256 of what was sent with it. Empty for keys from before, which answer any repeat as they always did.
ALTER TABLE idempotency ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';

-- Each scope holds one type of outcome.
UPDATE idempotency SET scope = 'backlog-from:' || substr(scope, 9) WHERE scope LIKE 'backlog:%' AND outcome LIKE '{%';
UPDATE idempotency SET scope = 'webhook-test:' || substr(scope, 9) WHERE scope LIKE 'webhook:%' AND key LIKE '%-test';
UPDATE idempotency SET scope = 'webhook-rotate:' || substr(scope, 9) WHERE scope LIKE 'webhook:%' AND outcome = 'null';
UPDATE idempotency SET scope = 'invite:' || substr(scope, 12), outcome = '[' || outcome || ',false]' WHERE scope LIKE 'invitation:%';

-- Events that say that something was created, and were not sent because it looked like spam. They are sent when it is set free.
CREATE TABLE withheld_events (
    feedback_id TEXT NOT NULL REFERENCES feedback (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    PRIMARY KEY (feedback_id, kind)
);
INSERT INTO withheld_events (feedback_id, kind)
SELECT f.id, 'feedback.created' FROM feedback f WHERE f.status = 'spam' AND f.import_id IS NULL
AND NOT EXISTS (SELECT 1 FROM history h WHERE h.subject_id = f.id AND h.change LIKE '{"what":"status"%');
INSERT INTO withheld_events (feedback_id, kind)
SELECT f.id, 'ticket.created' FROM feedback f JOIN tickets t ON t.feedback_id = f.id WHERE f.status = 'spam'
AND NOT EXISTS (SELECT 1 FROM history h WHERE h.subject_id = f.id AND h.change LIKE '{"what":"status"%');
