-- What the worker itself keeps in each service's schema.

-- The ids of the events that had their effect. A repetition finds its id here and has none.
create table inbox (
    event_id uuid primary key,
    at timestamptz not null default now()
);
create index inbox_at on inbox using brin (at);

-- Events that are decided and not yet acknowledged by the broker. An id is drawn under its key's lock, so that it orders a key's events.
create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    event_id uuid not null,
    type text not null,
    traceparent text,
    at timestamptz not null,
    payload bytea not null
);

-- Acts on the world that are decided and whose result is not yet known. The owner is the worker that does it: the key of its session lock.
create table intents (
    id uuid primary key,
    key text not null,
    kind text not null,
    data bytea not null,
    traceparent text,
    owner bigint not null,
    since timestamptz not null
);
create index intents_owner on intents (owner);

-- Moments at which a key is to be woken. A new id at each arming, so that one that is moved does not fire twice.
create table deadlines (
    key text not null,
    kind text not null,
    id uuid not null unique,
    at timestamptz not null,
    traceparent text,
    primary key (key, kind)
);
create index deadlines_at on deadlines (at);

-- Records that could not be handled, and those of the same key that wait behind them. An event is here or in the inbox, never in both.
create table parked (
    seq bigint generated always as identity primary key,
    event_id uuid not null unique,
    key text not null,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    record_key bytea,
    headers jsonb not null,
    value bytea,
    type text,
    culprit boolean not null,
    reason text not null,
    error text not null,
    attempts int not null default 1,
    first_at timestamptz not null,
    last_at timestamptz not null,
    released boolean not null default false
);
create index parked_key on parked (key);
create index parked_released on parked (seq) where released;

-- Which cluster and which topics the state was made from. Others under the same names would be read from a wrong position without an error.
create table origins (
    name text primary key,
    id text not null
);
