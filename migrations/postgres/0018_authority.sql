-- Keys and webhooks act with the present role of a person. Null: of who made them (`created_by`; without one, the project's own). Empty:
-- an owner handed it over to the project. Else the member of the team that it was handed over to.
ALTER TABLE api_keys ADD COLUMN handed_to TEXT;
ALTER TABLE webhook_endpoints ADD COLUMN handed_to TEXT;

-- The generation of a ticket's link is part of what is signed: a renewed link ends those before.
ALTER TABLE tickets ADD COLUMN link_generation BIGINT NOT NULL DEFAULT 0;
-- 1: members of the team may have seen the link. Older programs showed it to them, so that is what stands where nothing is said.
ALTER TABLE tickets ADD COLUMN link_shown BIGINT NOT NULL DEFAULT 1;
