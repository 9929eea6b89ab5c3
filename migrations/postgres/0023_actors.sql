-- Who acts: a person, an API key, a rule or an integration (`kind`). What they did names their row here. The system itself, and visitors, have
-- no row: columns that refer to actors are null for them. What a person signs in with is in `accounts`, and nothing else is.

-- Nodes of the version before run on meanwhile. All locks are taken here, in the order in which those nodes take them, so that neither waits
-- for the other.
LOCK TABLE feedback, links, backlog_items, comments, ticket_messages, history, undo_operations, surveys, survey_drafts, survey_versions, imports,
    invitations, webhook_endpoints, identity_secrets, api_keys, staff IN ACCESS EXCLUSIVE MODE;

CREATE TABLE actors (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO actors (id, kind, name, created_at)
SELECT id, CASE WHEN email = 'key:' || id THEN 'api_key' ELSE 'person' END, name, created_at FROM staff;

-- What referred to `staff` now refers to `accounts`: only people belong to projects, sign in, reset passwords, accept invitations, lend keys
-- their role and are assigned to feedback.
ALTER TABLE staff RENAME TO accounts;
ALTER INDEX staff_pkey RENAME TO accounts_pkey;
ALTER INDEX staff_email_key RENAME TO accounts_email_key;

-- Any actor may have written these.
ALTER TABLE comments RENAME COLUMN staff_id TO actor_id;
ALTER TABLE history RENAME COLUMN staff_id TO actor_id;
ALTER TABLE undo_operations RENAME COLUMN staff_id TO actor_id;
ALTER TABLE survey_drafts RENAME COLUMN staff_id TO actor_id;
ALTER TABLE ticket_messages RENAME COLUMN staff_id TO actor_id;
ALTER TABLE comments DROP CONSTRAINT comments_staff_id_fkey, ADD CONSTRAINT comments_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES actors (id);
ALTER TABLE history DROP CONSTRAINT history_staff_id_fkey, ADD CONSTRAINT history_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES actors (id);
ALTER TABLE undo_operations DROP CONSTRAINT undo_operations_staff_id_fkey,
    ADD CONSTRAINT undo_operations_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES actors (id);
ALTER TABLE survey_drafts DROP CONSTRAINT survey_drafts_staff_id_fkey,
    ADD CONSTRAINT survey_drafts_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES actors (id);
ALTER TABLE ticket_messages DROP CONSTRAINT ticket_messages_staff_id_fkey,
    ADD CONSTRAINT ticket_messages_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES actors (id);
ALTER TABLE invitations DROP CONSTRAINT invitations_created_by_fkey,
    ADD CONSTRAINT invitations_created_by_fkey FOREIGN KEY (created_by) REFERENCES actors (id);
ALTER TABLE surveys DROP CONSTRAINT surveys_created_by_fkey, DROP CONSTRAINT surveys_updated_by_fkey,
    ADD CONSTRAINT surveys_created_by_fkey FOREIGN KEY (created_by) REFERENCES actors (id),
    ADD CONSTRAINT surveys_updated_by_fkey FOREIGN KEY (updated_by) REFERENCES actors (id);
ALTER TABLE survey_versions DROP CONSTRAINT survey_versions_published_by_fkey,
    ADD CONSTRAINT survey_versions_published_by_fkey FOREIGN KEY (published_by) REFERENCES actors (id);
ALTER TABLE backlog_items DROP CONSTRAINT backlog_items_created_by_fkey,
    ADD CONSTRAINT backlog_items_created_by_fkey FOREIGN KEY (created_by) REFERENCES actors (id);
ALTER TABLE links DROP CONSTRAINT links_created_by_fkey, ADD CONSTRAINT links_created_by_fkey FOREIGN KEY (created_by) REFERENCES actors (id);
ALTER TABLE imports DROP CONSTRAINT imports_created_by_fkey,
    ADD CONSTRAINT imports_created_by_fkey FOREIGN KEY (created_by) REFERENCES actors (id);
ALTER TABLE webhook_endpoints DROP CONSTRAINT webhook_endpoints_created_by_fkey,
    ADD CONSTRAINT webhook_endpoints_created_by_fkey FOREIGN KEY (created_by) REFERENCES actors (id);
ALTER TABLE identity_secrets DROP CONSTRAINT identity_secrets_created_by_fkey,
    ADD CONSTRAINT identity_secrets_created_by_fkey FOREIGN KEY (created_by) REFERENCES actors (id);
ALTER TABLE api_keys DROP CONSTRAINT api_keys_id_fkey, ADD CONSTRAINT api_keys_id_fkey FOREIGN KEY (id) REFERENCES actors (id);

-- Without the reference meanwhile, or PostgreSQL reads all feedback for each key.
ALTER TABLE feedback DROP CONSTRAINT feedback_assignee_fkey;
DELETE FROM accounts WHERE id IN (SELECT id FROM actors WHERE kind = 'api_key');
ALTER TABLE feedback ADD CONSTRAINT feedback_assignee_fkey FOREIGN KEY (assignee) REFERENCES accounts (id);
ALTER TABLE accounts DROP COLUMN name, DROP COLUMN created_at, ADD CONSTRAINT accounts_id_fkey FOREIGN KEY (id) REFERENCES actors (id);

-- The rest of this file is for nodes of the version before, which run on during an upgrade. A later migration removes all of it, once no node
-- of that version can be left. Those nodes read and change people and keys in `staff`. They cannot add any: PostgreSQL allows no `ON CONFLICT`
-- on a view with triggers.
CREATE VIEW staff AS
SELECT a.id, COALESCE(c.email, 'key:' || a.id) AS email, a.name, COALESCE(c.password_hash, '') AS password_hash,
    COALESCE(c.theme, 'auto') AS theme, COALESCE(c.operator, 0) AS operator, a.created_at
FROM actors a LEFT JOIN accounts c ON c.id = a.id WHERE a.kind IN ('person', 'api_key');

CREATE FUNCTION update_staff_of_older_nodes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE actors SET name = NEW.name WHERE id = OLD.id;
    UPDATE accounts SET password_hash = NEW.password_hash, theme = NEW.theme, operator = NEW.operator WHERE id = OLD.id;
    RETURN NEW;
END $$;
CREATE TRIGGER update_staff_of_older_nodes INSTEAD OF UPDATE ON staff FOR EACH ROW EXECUTE FUNCTION update_staff_of_older_nodes();

-- They read and write `staff_id`, where this version has `actor_id`.
ALTER TABLE comments ADD COLUMN staff_id TEXT;
ALTER TABLE history ADD COLUMN staff_id TEXT;
ALTER TABLE undo_operations ADD COLUMN staff_id TEXT;
ALTER TABLE survey_drafts ADD COLUMN staff_id TEXT;
ALTER TABLE ticket_messages ADD COLUMN staff_id TEXT;
UPDATE comments SET staff_id = actor_id;
UPDATE history SET staff_id = actor_id WHERE actor_id IS NOT NULL;
UPDATE undo_operations SET staff_id = actor_id;
UPDATE survey_drafts SET staff_id = actor_id WHERE actor_id IS NOT NULL;
UPDATE ticket_messages SET staff_id = actor_id WHERE actor_id IS NOT NULL;
-- Their statements leave these two out. No actor has an empty id.
ALTER TABLE comments ALTER COLUMN actor_id SET DEFAULT '';
ALTER TABLE undo_operations ALTER COLUMN actor_id SET DEFAULT '';

CREATE FUNCTION match_actor_of_older_nodes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.actor_id := COALESCE(NULLIF(NEW.actor_id, ''), NEW.staff_id);
    NEW.staff_id := NEW.actor_id;
    RETURN NEW;
END $$;
CREATE TRIGGER match_actor_of_older_nodes BEFORE INSERT ON comments FOR EACH ROW EXECUTE FUNCTION match_actor_of_older_nodes();
CREATE TRIGGER match_actor_of_older_nodes BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION match_actor_of_older_nodes();
CREATE TRIGGER match_actor_of_older_nodes BEFORE INSERT ON undo_operations FOR EACH ROW EXECUTE FUNCTION match_actor_of_older_nodes();
CREATE TRIGGER match_actor_of_older_nodes BEFORE INSERT ON survey_drafts FOR EACH ROW EXECUTE FUNCTION match_actor_of_older_nodes();
CREATE TRIGGER match_actor_of_older_nodes BEFORE INSERT ON ticket_messages FOR EACH ROW EXECUTE FUNCTION match_actor_of_older_nodes();
