-- F4: no role that runs owns anything here. What operators may change, they change by the functions below, which run with the owner's rights and write
-- the audit themselves: whatever client an operator uses, nothing is done without a row of it. Who may run which function is in rights.sql.
-- The functions' search path ends with pg_temp, so that a caller's temporary tables are not taken for ours.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;

-- What the names of advisory locks are hashed with. All roles of a database share its locks, so that who could guess a number could hold a service up.
create table lock_salt (
    salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    only_one boolean primary key default true check (only_one)
);
insert into lock_salt default values;

-- The advisory lock of a name, as `lock_of` in storage/locks.py computes it too.
create function lock_of(name text) returns bigint language sql stable as $$
    select ('x' || encode(substring(sha256(salt || convert_to(name, 'utf8')) from 1 for 8), 'hex'))::bit(64)::bigint from lock_salt
$$;

-- The checkpoints that are signed and not yet published, for those who verify the audit: they see no other event.
create view checkpoints_to_publish as
select (convert_from(payload, 'utf8')::jsonb ->> 'number')::int as number from outbox where topic = 'audit-checkpoints';

-- A row of the audit as the worker writes it, see servicecert_worker/audit/chain.py.
create function operation_line(chain uuid, seq bigint, at timestamptz, key text, entry jsonb) returns bytea language sql as $$
    select convert_to(format(
        '["%s","%s",%s,"%s",%s,%s]',
        current_schema(), chain, seq, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), to_json(key), entry
    ), 'utf8')
$$;

-- B6: a chain of its own for each command: who acts, and what is done to each key. The operator is the session's user, not a name that somebody typed.
-- Returns the number of keys; for none nothing is written.
create function record_operation(command text, keys text[], facts jsonb[]) returns int
    language plpgsql security definer set search_path from current as $$
declare
    chain uuid := gen_random_uuid();
    begun jsonb := jsonb_build_object('begun', jsonb_build_object('command', command, 'operator', session_user));
    done jsonb;
    head bytea := sha256(decode(repeat('00', 32), 'hex') || operation_line(chain, 1, now(), '', begun));
begin
    if coalesce(cardinality(keys), 0) = 0 then
        return 0;
    end if;
    insert into audit_chains (chain) values (chain);
    insert into audit (chain, seq, at, key, entry, hash) values (chain, 1, now(), '', begun, head);
    for place in 1 .. cardinality(keys) loop
        done := jsonb_build_object('happened', jsonb_build_object(
            'command', command, 'facts', jsonb_strip_nulls(facts[place]) || jsonb_build_object('operator', session_user)));
        head := sha256(head || operation_line(chain, place + 1, now(), keys[place], done));
        insert into audit (chain, seq, at, key, entry, hash) values (chain, place + 1, now(), keys[place], done, head);
    end loop;
    return cardinality(keys);
end $$;

-- The audit's key of a parked record: its position unless it is an event or of a case, because any other key may be personal.
create function parked_audit_key(it parked) returns text language sql immutable as $$
    select case when it.type is not null or it.key ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then it.key
                else it.topic || '/' || it.partition || '/' || it."offset" end
$$;

-- Release the keys of these culprits. Returns how many matched.
create function replay_parked(ids uuid[]) returns int language sql security definer set search_path from current as $$
    with replayed as (
        update parked as p set released = true where culprit and event_id = any(ids)
        returning parked_audit_key(p) as key, jsonb_build_object('event', event_id, 'reason', reason) as facts
    )
    select record_operation('parked replay', array_agg(key), array_agg(facts)) from replayed
$$;

-- The discarded events count as handled; what waited behind them goes on. Returns how many matched.
create function discard_parked(ids uuid[]) returns int language sql security definer set search_path from current as $$
    with gone as (
        delete from parked as p where culprit and event_id = any(ids)
        returning p.event_id, p.key, parked_audit_key(p) as audited, jsonb_build_object('event', event_id, 'reason', reason) as facts
    ),
    handled as (
        insert into inbox (event_id) select event_id from gone on conflict do nothing
    ),
    freed as (
        update parked set released = true
        where key in (select key from gone) and event_id not in (select event_id from gone)
    )
    select record_operation('parked discard', array_agg(audited), array_agg(facts)) from gone
$$;

-- Forget the ids of cluster and topics, so that the next start stores the current ones.
create function forget_origins() returns int language sql security definer set search_path from current as $$
    with gone as (delete from origins returning name, id)
    select record_operation('topics accept', array[''], array[jsonb_build_object('forgotten', jsonb_object_agg(name, id))]) from gone having count(*) > 0
$$;
