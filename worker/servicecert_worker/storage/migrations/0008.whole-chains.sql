-- The chain of an operator's command is whole once its transaction ends, and never grows. Of a worker's chain nobody knows. So a checkpoint looks at the
-- chains that may have grown alone, however many commands there were in ten years.
do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;
alter table audit_chains add column whole boolean not null default false;
create index audit_chains_open on audit_chains (chain) where not whole or attested = 0;

create or replace function record_operation(command text, keys text[], facts jsonb[]) returns int
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
    insert into audit_chains (chain, whole) values (chain, true);
    insert into audit (chain, seq, at, key, entry, hash) values (chain, 1, now(), '', begun, head);
    for place in 1 .. cardinality(keys) loop
        done := jsonb_build_object('happened', jsonb_build_object(
            'command', command, 'facts', jsonb_strip_nulls(facts[place]) || jsonb_build_object('operator', session_user)));
        head := sha256(head || operation_line(chain, place + 1, now(), keys[place], done));
        insert into audit (chain, seq, at, key, entry, hash) values (chain, place + 1, now(), keys[place], done, head);
    end loop;
    return cardinality(keys);
end $$;
