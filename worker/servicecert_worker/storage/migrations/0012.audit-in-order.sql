-- What an operator does to several parked records stands in the audit in the order in which they were parked, wherever PostgreSQL has their rows.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

create or replace function replay_parked(ids uuid[]) returns int language sql security definer set search_path from current as $$
    with replayed as (
        update parked as p set released = true where culprit and event_id = any(ids)
        returning seq, parked_audit_key(p) as key, jsonb_build_object('event', event_id, 'reason', reason) as facts
    )
    select record_operation('parked replay', array_agg(key order by seq), array_agg(facts order by seq)) from replayed
$$;

create or replace function discard_parked(ids uuid[]) returns int language sql security definer set search_path from current as $$
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
