-- What is left of a limit, and when that was so. Used where several nodes share the database.
CREATE TABLE limits (
    key TEXT PRIMARY KEY,
    tokens REAL NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX limits_age ON limits (at);
