-- The record. `events` is the truth; every other table is derived from it in the same transaction and could be made
-- again from it. This file is never edited once released: a change is a new file.

CREATE TABLE events (
    seq     INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,  -- wall clock, for people
    version INTEGER NOT NULL,  -- of the JSON's meaning
    kind    TEXT    NOT NULL,
    json    TEXT    NOT NULL
) STRICT;

CREATE TABLE sweeps (
    name       TEXT    PRIMARY KEY,
    ordinal    INTEGER NOT NULL UNIQUE,  -- order of last submission
    created_ms INTEGER NOT NULL,         -- first submission
    about      TEXT    NOT NULL          -- JSON of the last submission
) STRICT;

CREATE TABLE trials (
    id       TEXT    PRIMARY KEY,
    seq      INTEGER NOT NULL REFERENCES events (seq),  -- the event that holds the trial
    state    TEXT    NOT NULL,
    attempts INTEGER NOT NULL
) STRICT;

CREATE TABLE sweep_trials (
    sweep    TEXT    NOT NULL REFERENCES sweeps (name),
    ordinal  INTEGER NOT NULL,
    trial_id TEXT    NOT NULL REFERENCES trials (id),
    PRIMARY KEY (sweep, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
    trial_id TEXT    PRIMARY KEY REFERENCES trials (id),  -- at most one accepted outcome a trial
    attempt  INTEGER NOT NULL,
    status   TEXT    NOT NULL,
    seq      INTEGER NOT NULL REFERENCES events (seq)     -- the event that holds the outcome
) STRICT;

CREATE TABLE attempts (
    trial_id TEXT    NOT NULL REFERENCES trials (id),
    attempt  INTEGER NOT NULL,
    worker   TEXT    NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    failure  TEXT,  -- kind, where it ended without an outcome
    message  TEXT,
    PRIMARY KEY (trial_id, attempt)
) STRICT, WITHOUT ROWID;
