-- What the monitoring login sees of the worker's tables: numbers without the key of any record (F4). `servicecert db migrate` creates these functions anew
-- each time. Each row is a sample: the metric, the values of its labels, and the value; `worker_figures` leaves out the label `service`, which comes first.
-- $1 is the moment. What grows for ever is estimated by PostgreSQL's statistics, or found by an index.
create or replace function worker_figures(moment timestamptz) returns table (name text, labels text[], value float8)
    language sql stable security definer set search_path from current as $$
    select 'servicecert_outbox_events', array[]::text[], count(*)::float8 from outbox
    union all
    select 'servicecert_outbox_oldest_seconds', '{}', coalesce(extract(epoch from $1 - min(at)), 0) from changes
    union all
    select 'servicecert_inbox_events', '{}', greatest(reltuples, 0) from pg_class where oid = 'inbox'::regclass
    union all
    select 'servicecert_intents', array[kind], count(*) from intents group by kind
    union all
    select 'servicecert_intents_oldest_seconds', '{}', coalesce(extract(epoch from $1 - min(since)), 0) from intents
    union all
    select 'servicecert_deadlines_overdue', '{}', count(*) from deadlines where at <= $1
    union all
    select 'servicecert_deadlines_overdue_seconds', '{}', coalesce(extract(epoch from $1 - min(at)), 0) from deadlines where at <= $1
    union all
    select 'servicecert_parked', array[reason], count(*) from parked where culprit group by reason
    union all
    select 'servicecert_parked_oldest_seconds', '{}', coalesce(extract(epoch from $1 - min(first_at)), 0) from parked where culprit
    union all
    select 'servicecert_parked_behind', '{}', count(*) from parked where not culprit
    union all
    select 'servicecert_parked_unkept', '{}', count(*) from parked where not kept
    union all
    select 'servicecert_audit_unattested_seconds', '{}', coalesce(extract(epoch from $1 - min(a.at)), 0)
    from audit_chains as c join audit as a on a.chain = c.chain and a.seq = c.attested + 1
    where not c.whole or c.attested = 0
$$;
