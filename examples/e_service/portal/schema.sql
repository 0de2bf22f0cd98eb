-- Times are ISO 8601 in UTC. Applications and views are the JSON of their models.

CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;

-- Only the hash of the cookie: who reads the database can take over no session.
CREATE TABLE IF NOT EXISTS sessions (
    hash TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    begun TEXT NOT NULL,
    seen TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL UNIQUE,
    organisation_name TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS members (
    account_id TEXT NOT NULL REFERENCES accounts,
    user_id TEXT NOT NULL REFERENCES users,
    role TEXT NOT NULL,
    case_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, user_id, case_id)
) STRICT;

CREATE TABLE IF NOT EXISTS invitations (
    hash TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts,
    role TEXT NOT NULL,
    case_id TEXT NOT NULL DEFAULT '',
    inviter TEXT NOT NULL,
    ends TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS applications (
    case_id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts,
    once TEXT NOT NULL,
    application TEXT NOT NULL,
    sent TEXT NOT NULL,
    UNIQUE (account_id, once)
) STRICT;

CREATE TABLE IF NOT EXISTS files (
    sha256 TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts,
    media_type TEXT NOT NULL,
    PRIMARY KEY (sha256, account_id)
) STRICT;

CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    account_id TEXT NOT NULL,
    case_id TEXT,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    headers TEXT NOT NULL,
    value BLOB NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (number) WHERE NOT acknowledged;
CREATE INDEX IF NOT EXISTS outbox_case ON outbox (case_id);

CREATE TABLE IF NOT EXISTS views (
    case_id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS views_account ON views (account_id);

CREATE TABLE IF NOT EXISTS refusals (
    event_id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
