-- How many events the users of an account sent in an hour (F5). Several rows for each, which are added up.
CREATE TABLE account_events (
    account_id text NOT NULL,
    hour timestamptz NOT NULL,
    stripe int NOT NULL,
    events int NOT NULL CHECK (events > 0),
    PRIMARY KEY (account_id, hour, stripe)
);
CREATE INDEX account_events_hour ON account_events (hour);
-- An account's applications that wait for their customer: counted before it opens another.
CREATE INDEX cases_unfinished ON cases (account_id) WHERE state IN ('submitted', 'waiting-for-csr', 'returned');
