-- What waits behind a record that is replayed is released with it, so that it is handled even if the worker ends in between. Both functions wait for the
-- turns of the keys: what one of these parks behind a record is not there yet.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

create function lock_parked(ids uuid[]) returns void language sql as $$
    select pg_advisory_xact_lock(lock)
    from (select distinct lock_of('key/' || key) as lock from parked where culprit and event_id = any(ids) order by 1 offset 0) as l
$$;

create or replace function replay_parked(ids uuid[]) returns int language sql security definer set search_path from current as $$
    select lock_parked(ids);
    with replayed as (
        update parked as p set released = true where culprit and event_id = any(ids)
        returning seq, p.key as of_key, parked_audit_key(p) as key, jsonb_build_object('event', event_id, 'reason', reason) as facts
    ),
    behind as (
        update parked set released = true
        where key in (select of_key from replayed) and not culprit
    )
    select record_operation('parked replay', array_agg(key order by seq), array_agg(facts order by seq)) from replayed
$$;

create or replace function discard_parked(ids uuid[]) returns int language sql security definer set search_path from current as $$
    select lock_parked(ids);
    with gone as (
        delete from parked as p where culprit and event_id = any(ids)
        returning p.seq, p.event_id, p.key, parked_audit_key(p) as audited, jsonb_build_object('event', event_id, 'reason', reason) as facts
    ),
    handled as (
        insert into inbox (event_id) select event_id from gone on conflict do nothing
    ),
    freed as (
        update parked set released = true
        where key in (select key from gone) and event_id not in (select event_id from gone)
    )
    select record_operation('parked discard', array_agg(audited order by seq), array_agg(facts order by seq)) from gone
$$;

-- Keys that are being replayed, and those whose first record waits behind none.
update parked set released = true
where not released and key in (select key from parked group by key having bool_or(released) or not (array_agg(culprit order by seq))[1]);
