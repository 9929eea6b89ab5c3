-- The last number that a project gave to a backlog item or a ticket (`kind`). Numbers are never given twice, also when what had one is gone.
-- No row yet means that the highest number in the table is the last.
CREATE TABLE counters (
    project_id TEXT NOT NULL REFERENCES projects (id),
    kind TEXT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (project_id, kind)
);
INSERT INTO counters (project_id, kind, last) SELECT project_id, 'backlog', MAX(number) FROM backlog_items GROUP BY project_id;
INSERT INTO counters (project_id, kind, last) SELECT project_id, 'ticket', MAX(number) FROM tickets GROUP BY project_id;
