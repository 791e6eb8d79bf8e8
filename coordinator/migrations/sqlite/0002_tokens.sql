-- Join tokens. Not derived from `events`: nothing about trials follows from them. A secret is never stored, only a hash
-- of it (BLAKE3, keyed by purpose).

CREATE TABLE tokens (
    id          TEXT    PRIMARY KEY,  -- 16 hexadecimal digits
    role        TEXT    NOT NULL,     -- worker, viewer, operator
    label       TEXT    NOT NULL,
    secret_hash BLOB    NOT NULL,
    created_ms  INTEGER NOT NULL,     -- wall clock
    expires_ms  INTEGER,
    revoked_ms  INTEGER
) STRICT;
