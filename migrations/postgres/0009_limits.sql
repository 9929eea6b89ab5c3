-- What is left of a limit, and when that was so. Used where several nodes share the database.
CREATE TABLE limits (
    key TEXT PRIMARY KEY,
    tokens DOUBLE PRECISION NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX limits_age ON limits (at);
