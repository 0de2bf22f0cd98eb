-- name: adopt
update intents set owner = $1
where id in (select id from intents where owner = $2 and kind = any($4::text[]) order by since, id limit $3 for update skip locked)
returning id, key, kind, data, traceparent, since, result

-- name: ask_clock
-- The time, and when the newest event was recorded.
select clock_timestamp() as now, (select max(at) from inbox) as newest

-- name: begin_chain
-- A new audit chain, with its first row.
with begun as (insert into audit_chains (chain) values ($1))
insert into audit (chain, seq, at, key, entry, hash) values ($1, $2, $3, $4, $5, $6)

-- name: claim
-- What of a turn's items counts: a result, a deadline or a released record if its row is deleted here as it was read, an event if it is new to the
-- inbox and not parked. And which of the keys have parked records, and from which place on. The keys are locked. A released record counts by the id
-- that it has now: one whose signature was not trusted before had none of its own. The last row has the time.
with result as (delete from intents where id = any($1::uuid[]) returning id),
due as (delete from deadlines where id = any($2::uuid[]) returning id),
released as (
    delete from parked using unnest($3::bigint[], $4::int[], $7::uuid[]) as r (seq, attempts, event_id)
    where parked.seq = r.seq and parked.attempts = r.attempts
    returning parked.seq, r.event_id
),
fresh as (
    insert into inbox (event_id)
    select id from (
        select id from unnest($5::uuid[]) as id where not exists (select from parked where event_id = id)
        union
        select r.event_id from released r
        where not exists (select from parked p where p.event_id = r.event_id and p.seq <> r.seq)
    ) as event
    order by id
    on conflict do nothing
    returning event_id
)
select id as claimed, null::text as key, null::bigint as first, null::timestamptz as now from result
union all select id, null, null, null from due
union all select event_id, null, null, null from fresh
union all
select null, key, min(seq), null from parked
where key = any($6::text[]) and seq not in (select seq from released)
group by key
union all select null, null, null, clock_timestamp()

-- name: due
-- Read without locks: the turn that handles one claims it. Those of the kinds $3 wait.
select id, key, kind, at, traceparent from deadlines where at <= $1 and kind <> all($3::text[]) order by at limit $2

-- name: end_silent
-- Ends this login's sessions that wait for the rest of a statement, with all that they lock: none of PostgreSQL's time limits does. A client sends it
-- within milliseconds, or the network to it is cut.
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and usename = session_user
      and state = 'active' and wait_event = 'ClientRead' and state_change < clock_timestamp() - interval '15 seconds'

-- name: find_parked
-- The culprits of a selection, with how many wait behind each.
select p.event_id, p.key, p.topic, p.partition, p."offset", p.last_offset, p.type, p.culprit, p.reason, p.error, p.attempts,
       p.first_at, p.last_at, p.released, p.kept,
       (select count(*) from parked w where w.key = p.key and not w.culprit)::int as waiting
from parked p
where p.culprit
  and ($1::uuid is null or p.event_id = $1)
  and ($2::text is null or p.key = $2)
  and ($3::text is null or p.reason = $3)
  and ($4::timestamptz is null or p.first_at < $4)
order by p.seq
limit $5

-- name: grown
-- The audit chains that have rows which no checkpoint vouches for, with their heads.
select c.chain, h.seq, h.hash
from audit_chains c
cross join lateral (select seq, hash from audit where chain = c.chain order by seq desc limit 1) h
where (not c.whole or c.attested = 0) and h.seq > c.attested
limit $1

-- name: hold
select pg_advisory_lock(lock_of($1))

-- name: keep_results
-- Stores results with their intents. One that a turn has recorded meanwhile has no row.
update intents as i set result = r.result from unnest($1::uuid[], $2::bytea[]) as r (id, result) where i.id = r.id

-- name: lock_keys
-- The locks of keys, as a turn takes them, in the locks' order, until the transaction ends.
select pg_advisory_xact_lock(lock) from (select lock_of('key/' || key) as lock from unnest($1::text[]) as k (key) order by 1 offset 0) as l

-- name: own
-- The intents of an owner that are not among those in its hands, oldest first: it takes them over from itself.
with own as (
    update intents set owner = $1 where owner = $1 and id <> all($2::uuid[])
    returning id, key, kind, data, traceparent, since, result
)
select * from own order by since, id

-- name: park
-- Parks records, each behind those of its key that are parked already; one that was parked before keeps its place.
with unhandled as (delete from inbox where event_id = any($2::uuid[]))
insert into parked (seq, event_id, key, topic, partition, "offset", last_offset, record_key, headers, value, type,
                    culprit, reason, error, attempts, first_at, last_at, kept)
overriding system value
select coalesce(p.seq, nextval(pg_get_serial_sequence('parked', 'seq'))),
       p.event_id, p.key, p.topic, p.partition, p."offset", p.last_offset, p.record_key, p.headers, p.value, p.type,
       p.culprit, p.reason, p.error, p.attempts, p.first_at, p.last_at, p.kept
from (
    select * from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::bytea[],
                         $9::jsonb[], $10::bytea[], $11::text[], $12::bool[], $13::text[], $14::text[], $15::int[],
                         $16::timestamptz[], $17::timestamptz[], $18::bool[])
        with ordinality as p (seq, event_id, key, topic, partition, "offset", last_offset, record_key, headers, value, type,
                              culprit, reason, error, attempts, first_at, last_at, kept, place)
    order by place
) p
on conflict (event_id) do nothing

-- name: parked_keys
-- Culprits by their keys.
select array_agg(event_id) as ids from parked where culprit and event_id = any ($1::uuid[]) group by key order by min(seq)

-- name: parked_kept
-- How many parked records have their values here, at most $1, and what they come to in octets.
select count(*), coalesce(sum(coalesce(pg_column_size(value), 0) + pg_column_size(headers)), 0)::bigint
from (select value, headers from parked where kept limit $1) as kept

-- name: parked_unkept
-- The records without a value among these culprits and what waits behind them.
select event_id, topic, partition, "offset", last_offset from parked
where not kept and key in (select key from parked where culprit and event_id = any($1::uuid[]))
order by seq

-- name: prune
-- The oldest first, by the index: at most so many that no lock and no transaction lasts.
delete from inbox where ctid = any(array(select ctid from inbox where at < now() - $1::interval order by at limit 5000))

-- name: prune_events
-- What a topic keeps for $2 only, but nothing from since when something waits to be published.
delete from events where id = any(array(
    select id from events where topic = $1 and at < least(now() - $2::interval, (select min(at) from changes)) order by at limit 5000
))

-- name: prune_replaced_events
-- Of a compacted topic what is not the newest of its key, $2 after a newer one. Each event is looked at once as a newer one.
with looked as materialized (
    select id, key, at from events
    where topic = $1 and at > (select pruned from journal)
          and at < least(now() - $2::interval, (select min(at) from changes))
    order by at fetch first 5000 rows with ties
),
noted as (update journal set pruned = (select max(at) from looked) where exists (select from looked))
delete from events as e using (select key, max(id) as id from looked group by key) as newer
where e.topic = $1 and e.key = newer.key and e.id < newer.id

-- name: publish
-- Events into the outbox, in order.
insert into events (topic, key, event_id, type, payload, at, signature)
select topic, key, event_id, type, payload, at, signature
from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bytea[], $6::timestamptz[], $7::text[])
    with ordinality as o (topic, key, event_id, type, payload, at, signature, place)
order by place

-- name: released
-- The first of those that are released: what waits behind one is released with it.
select * from parked where released order by seq limit $1

-- name: refill_parked
update parked set headers = $2::jsonb, value = $3, kept = true where event_id = $1 and not kept

-- name: try_lock
-- Asked for again and again: a session that waited for the lock would hold back vacuum.
select pg_try_advisory_lock(lock_of($1))

-- name: try_lock_for_now
-- Until the transaction ends.
select pg_try_advisory_xact_lock(lock_of($1))

-- name: unheld
-- The lock is taken for the moment of the question only.
select name from unnest($1::text[]) as n (name) where pg_try_advisory_xact_lock(lock_of('member/' || name))

-- name: waiting
-- Whether deadlines are due at $1, parked records are released, and others than $2 own intents: asked for all the time, and mostly none. By `min` the
-- planner takes the index: `exists` would read the whole table, since of rows before an unknown moment it expects a third.
select coalesce((select min(at) from deadlines) <= $1, false) as due, exists (select from parked where released) as released,
       exists (select from intents where owner <> $2) as "left"

-- name: write
-- All that a turn decided, in one round trip: events, intents, deadlines (one without a moment is cancelled), and rows of the audit chain $4. $1 is the
-- moment, $2 the owner of the intents, $3 the channel that wakes the relay, or ''.
with published as (
    insert into events (topic, key, event_id, type, traceparent, payload, signature, at)
    select topic, key, event_id, type, traceparent, payload, signature, $1
    from unnest($5::turn_event[]) with ordinality as e (topic, key, event_id, type, traceparent, payload, signature, place)
    order by place
),
intended as (
    insert into intents (id, key, kind, data, traceparent, owner, since)
    select id, key, kind, data, traceparent, $2, $1 from unnest($6::turn_intent[])
),
armed as (
    insert into deadlines (id, key, kind, at, traceparent)
    select id, key, kind, at, traceparent from unnest($7::turn_deadline[]) where at is not null order by key, kind
    on conflict (key, kind) do update set id = excluded.id, at = excluded.at, traceparent = excluded.traceparent
),
cancelled as (
    delete from deadlines using unnest($7::turn_deadline[]) as d
    where d.at is null and deadlines.key = d.key and deadlines.kind = d.kind
),
audited as (
    insert into audit (chain, seq, at, key, entry, hash, salt)
    select $4, seq, $1, key, entry, hash, salt from unnest($8::turn_audit[])
)
select pg_notify($3, '') where $3 <> ''

-- name: held_locks
-- Who holds a lock on a table of the schemas $1 that keeps others from reading or writing, or keeps up who waits for such a lock and so all others. Most
-- last milliseconds. Every login may ask; only a member of pg_read_all_stats sees since when another user's transaction is open.
with locks as materialized (
    select relation, pid, granted, virtualtransaction,
           mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') as keeps_others
    from pg_locks
    where locktype = 'relation' and database = (select oid from pg_database where datname = current_database())
),
waiting as materialized (
    select relation, pg_blocking_pids(pid) as behind from locks where keeps_others and not granted
)
select n.nspname as service, c.relname as "table", l.pid, l.virtualtransaction as transaction, coalesce(a.usename, '') as "user",
       coalesce(a.application_name, '') as application, a.xact_start as since,
       (select count(distinct w.pid) from locks as w where w.relation = l.relation and not w.granted) as waiting
from locks as l
join pg_class as c on c.oid = l.relation and c.relkind in ('r', 'p')
join pg_namespace as n on n.oid = c.relnamespace and n.nspname = any($1::text[])
join pg_stat_activity as a on a.pid = l.pid
where l.granted
group by n.nspname, c.relname, l.relation, l.pid, l.virtualtransaction, a.usename, a.application_name, a.xact_start
having bool_or(l.keeps_others) or exists (select from waiting as w where w.relation = l.relation and l.pid = any(w.behind))
order by 1, 2, 3 limit 20
