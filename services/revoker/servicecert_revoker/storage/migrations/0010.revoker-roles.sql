-- The revoker's own role is no longer the owner of these functions (F4): whether it calls is told by its name.
create or replace function propose(id uuid, kind text, reason text, why text, key_sha256 text, rate int, cases text[]) returns int
    language plpgsql security definer set search_path = revoker, pg_temp as $$
declare
    found text[];
begin
    -- What the revoker itself proposes is a cascade that it stopped, and nothing else; that an operator never does.
    if (session_user = current_database() || '_revoker') <> (kind = 'cascade') then
        raise exception 'operators propose by a login of their own' using errcode = 'insufficient_privilege';
    end if;
    select array_agg(wanted.key order by wanted.place) into found
    from (select c.key, min(c.place) as place from unnest(cases) with ordinality as c (key, place) group by c.key) as wanted
    join statuses as s on s.key = wanted.key
    where s.standing = 'valid' and (s.certificate ->> 'not_after')::timestamptz > now();
    insert into proposals (id, kind, reason, why, key_sha256, rate, total, proposed_by)
    values (propose.id, propose.kind, propose.reason, propose.why, propose.key_sha256, propose.rate, coalesce(cardinality(found), 0), session_user);
    insert into proposal_items (proposal, place, key)
    select propose.id, f.place, f.key from unnest(found) with ordinality as f (key, place);
    return coalesce(cardinality(found), 0);
end $$;

-- The worker's own function writes the audit of operators' commands now.
create or replace function tell_operation(command text, key text, facts jsonb) returns void language plpgsql set search_path = revoker, pg_temp as $$
begin
    perform record_operation(command, array[key], array[facts]);
end $$;
drop function audit_line(uuid, bigint, timestamptz, text, jsonb);
