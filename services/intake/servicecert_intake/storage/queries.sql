-- name: block_keys
-- Block keys for a shared prime, unless they are blocked already. Return the newly blocked ones.
WITH fresh AS (SELECT key_sha256 FROM keys WHERE key_sha256 = ANY ($1::text[]) AND blocked IS NULL ORDER BY key_sha256 FOR UPDATE)
UPDATE keys SET blocked = 'shared-prime' FROM fresh WHERE keys.key_sha256 = fresh.key_sha256 RETURNING keys.key_sha256

-- name: cases_of_keys
SELECT body -> 'key' ->> 'sha256' AS key_sha256, case_id, state::text
FROM cases
WHERE body -> 'key' ->> 'sha256' = ANY ($1::text[])
ORDER BY case_id

-- name: count_events
-- How many events of the same hours were counted before, and how many unfinished applications an account has, at most $5. Counts the turn's own. Each
-- connection has rows of its own, more or less, so that turns on one account do not wait for one another. Counts from before $6 are deleted. What is in
-- a subselect is unknown to the planner, which would plan anew each time for the few that it sees: that took longer than the statement.
WITH counted AS (
    SELECT * FROM unnest((SELECT $1::text[]), (SELECT $2::timestamptz[]), (SELECT $3::int[]), (SELECT $4::bool[]))
        AS c (account_id, hour, events, opens)
),
kept AS (
    INSERT INTO account_events AS kept (account_id, hour, stripe, events)
    SELECT account_id, hour, pg_backend_pid() % 16, events FROM counted ORDER BY account_id, hour
    ON CONFLICT (account_id, hour, stripe) DO UPDATE SET events = kept.events + excluded.events
),
old AS (
    DELETE FROM account_events
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM account_events WHERE hour < $6 LIMIT 1000 FOR UPDATE SKIP LOCKED))
)
SELECT counted.account_id, counted.hour,
       coalesce((SELECT sum(before.events) FROM account_events AS before
                 WHERE before.account_id = counted.account_id AND before.hour = counted.hour), 0)::int AS events,
       CASE WHEN counted.opens THEN
           (SELECT count(*) FROM (SELECT FROM cases
                                  WHERE cases.account_id = counted.account_id AND state IN ('submitted', 'waiting-for-csr', 'returned')
                                  LIMIT $5) AS unfinished)
       ELSE 0 END::int AS unfinished
FROM counted

-- name: find_certificate
-- The case of an account that has a certificate with one of these serial numbers.
SELECT body::text FROM cases WHERE serial = ANY ($1::text[]) AND account_id = $2 ORDER BY serial LIMIT 1

-- name: keep_keys
-- Record owners of keys and which are blocked. What is recorded already stays.
INSERT INTO keys (key_sha256, business_id, blocked)
SELECT kept.key_sha256, kept.business_id, kept.blocked
FROM unnest($1::text[], $2::text[], $3::text[]) AS kept (key_sha256, business_id, blocked)
ORDER BY kept.key_sha256
ON CONFLICT (key_sha256) DO UPDATE
SET business_id = coalesce(keys.business_id, excluded.business_id), blocked = coalesce(excluded.blocked, keys.blocked)
WHERE (keys.business_id IS NULL AND excluded.business_id IS NOT NULL)
   OR (excluded.blocked IS NOT NULL AND keys.blocked IS DISTINCT FROM excluded.blocked)

-- name: load
SELECT case_id, version, body::text
FROM cases
WHERE case_id = ANY ($1::text[])

-- name: rsa_keys
SELECT key_sha256, rsa_spki FROM keys WHERE rsa_spki IS NOT NULL ORDER BY key_sha256

-- name: save
INSERT INTO cases (case_id, version, state, account_id, body)
SELECT changed.case_id, changed.loaded + 1, changed.state::case_state, changed.account_id, changed.body::jsonb
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[]) AS changed (case_id, loaded, state, account_id, body)
LEFT JOIN cases AS stored USING (case_id)
WHERE coalesce(stored.version, 0) = changed.loaded
ON CONFLICT (case_id) DO UPDATE
SET version = excluded.version, state = excluded.state, body = excluded.body
WHERE cases.version = excluded.version - 1

-- name: see_keys
-- Record keys as seen, in lock order, and return the record of each. The rows stay locked until the turn is committed.
INSERT INTO keys (key_sha256, rsa_spki)
SELECT seen.key_sha256, seen.rsa_spki
FROM unnest($1::text[], $2::bytea[]) AS seen (key_sha256, rsa_spki)
ORDER BY seen.key_sha256
ON CONFLICT (key_sha256) DO UPDATE SET seen_at = now()
RETURNING key_sha256, business_id, blocked

-- name: wake
-- Bring forward the deadlines $1 of returned cases that other registers than $2 judged: one each $6 from $3 on. Those due before $4 are soon enough.
-- A deadline locked by a turn is skipped: waiting for it could deadlock.
with stale as (
    select deadlines.key, deadlines.kind
    from deadlines join cases on cases.case_id = deadlines.key
    where deadlines.kind = $1 and deadlines.at > $4
      and cases.state = 'returned' and cases.body ->> 'judged_by' is distinct from $2
    order by deadlines.at
    limit $5
    for update of deadlines skip locked
),
spread as (
    select key, kind, $3::timestamptz + $6::interval * (row_number() over ()) as at from stale
),
woken as (
    update deadlines set at = spread.at from spread
    where deadlines.key = spread.key and deadlines.kind = spread.kind
    returning 1
)
select count(*)::int from woken
