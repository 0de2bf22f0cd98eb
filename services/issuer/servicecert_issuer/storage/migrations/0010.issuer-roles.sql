do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;
-- What operators may change (F4), and the lock of a blocked key by a number that no other login can guess.
create function retry_stopped(keys text[]) returns int language sql security definer set search_path from current as $$
    with armed as (
        insert into deadlines (key, kind, id, at)
        select key, 'retry', gen_random_uuid(), now() from certificates where application is not null and key = any($1)
        on conflict (key, kind) do update set id = excluded.id, at = excluded.at
        returning key
    )
    select record_operation('ca retry', array_agg(key), array_agg('{}'::jsonb)) from armed
$$;

-- Void an intent of at least this age, unless it is signed first.
create function give_up(key text, reason text, age interval) returns int language sql security definer set search_path from current as $$
    with given_up as (
        insert into unwanted (key, reason)
        select c.key, $2 from certificates c join intents i on i.key = c.key and i.kind = 'sign'
        where c.key = $1 and c.state = 'intended' and i.since < now() - $3
        on conflict (key) do update set reason = excluded.reason
        returning unwanted.key
    )
    select record_operation('ca void', array_agg(g.key), array_agg(jsonb_build_object('reason', $2))) from given_up as g
$$;

create or replace function certificates_claim_key(key text, claimed text, claimant text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(lock_of('blocked/' || claimed));
    if exists (select from blocked_keys where key_sha256 = claimed) then
        raise exception 'the key of % is compromised', key
            using errcode = 'unique_violation', constraint = 'key_compromised', detail = key;
    end if;
    insert into key_owners (key_sha256, business_id) values (claimed, claimant) on conflict do nothing;
    if not exists (select from key_owners where key_sha256 = claimed and business_id = claimant) then
        raise exception 'the key of % is certified for another organisation', key
            using errcode = 'unique_violation', constraint = 'key_of_another_organisation', detail = key;
    end if;
end $$;
