-- Requests may wait whatever the certificate's standing: for the invitation of whoever asks, or because an outsider learns nothing, also not by the time (D1).
do $$
declare found text;
begin
    for found in select conname from pg_constraint
        where conrelid = 'statuses'::regclass and contype = 'c' and pg_get_constraintdef(oid) like '%asked IS NOT NULL%'
    loop
        execute format('alter table statuses drop constraint %I', found);
    end loop;
end $$;
alter table statuses add constraint statuses_asked check (standing <> 'awaited' or asked is not null);

-- What certificates are selected by: a key that is exposed, and the operators' incidents (D6).
alter table statuses add column key_sha256 text generated always as (certificate ->> 'key_sha256') stored;
create index statuses_key_sha256 on statuses (key_sha256) where key_sha256 is not null;

-- The revocations that are not known to the world yet: what the clock of D4 runs for.
create index statuses_open on statuses (key) where standing > 'valid' and standing < 'revoked';

-- Keys that are compromised, for ever (D6).
create table compromised_keys (
    key_sha256 text primary key check (key_sha256 ~ '^[0-9a-f]{64}$'),
    since timestamptz not null default now(),
    source text not null -- the case or the proposal by which it became known
);

create function compromised_keys_stay() returns trigger language plpgsql as $$
begin
    raise exception 'a key that is compromised stays so' using errcode = 'check_violation';
end $$;
create trigger compromised_keys_stay before update or delete on compromised_keys for each row execute function compromised_keys_stay();

create function revocations_compromise() returns trigger language plpgsql as $$
begin
    insert into compromised_keys (key_sha256, source)
    select key_sha256, key from statuses where key = new.key and key_sha256 is not null
    on conflict do nothing;
    return null;
end $$;
create trigger revocations_compromise after insert or update on revocations
    for each row when (new.reason = 'key-exposed') execute function revocations_compromise();

-- What the authority itself wants to revoke. One operator proposes, another one confirms, each by a login of their own: what is written here is the
-- session's user, not a name that somebody typed.
create table proposals (
    id uuid primary key,
    kind text not null check (kind in ('withdrawal', 'incident', 'key', 'cascade')),
    reason text not null check (reason in ('key-exposed', 'no-longer-needed', 'purpose-or-data-changed', 'privilege-withdrawn')),
    why text not null check (length(why) between 1 and 1000),
    key_sha256 text check (key_sha256 ~ '^[0-9a-f]{64}$'),
    rate int not null check (rate between 1 and 60000), -- certificates a minute
    total int not null check (total >= 0),
    proposed_by text not null,
    proposed_at timestamptz not null default now(),
    confirmed_by text,
    confirmed_at timestamptz,
    dropped_by text,
    dropped_at timestamptz,
    version int not null default 1,
    ordered int not null default 0,
    carried_at timestamptz,
    done_at timestamptz,
    constraint proposals_four_eyes check (confirmed_by <> proposed_by),
    constraint proposals_one_end check (num_nulls(confirmed_by, dropped_by) >= 1),
    constraint proposals_times check ((confirmed_by is null) = (confirmed_at is null) and (dropped_by is null) = (dropped_at is null)),
    constraint proposals_ordered check (ordered between 0 and total and (ordered = 0 or confirmed_by is not null)),
    constraint proposals_key check ((kind in ('key', 'cascade')) = (key_sha256 is not null) and (key_sha256 is null or reason = 'key-exposed'))
);
create unique index proposals_one_cascade on proposals (key_sha256) where kind = 'cascade' and done_at is null and dropped_at is null;

create table proposal_items (
    proposal uuid not null references proposals,
    place int not null check (place > 0),
    key text not null references statuses,
    primary key (proposal, place)
);
create index proposal_items_key on proposal_items (key);

create function proposals_step() returns trigger language plpgsql as $$
begin
    if (new.id, new.kind, new.reason, new.why, new.key_sha256, new.rate, new.total, new.proposed_by, new.proposed_at)
       is distinct from
       (old.id, old.kind, old.reason, old.why, old.key_sha256, old.rate, old.total, old.proposed_by, old.proposed_at)
    then
        raise exception 'what is proposed never changes' using errcode = 'check_violation';
    end if;
    if (old.confirmed_by is not null and new.confirmed_by is distinct from old.confirmed_by)
       or (old.dropped_by is not null and new.dropped_by is distinct from old.dropped_by)
       or new.ordered < old.ordered or (old.done_at is not null and new.done_at is distinct from old.done_at)
    then
        raise exception 'a proposal goes forward only' using errcode = 'check_violation';
    end if;
    if (old.confirmed_by is null and new.confirmed_by <> session_user) or (old.dropped_by is null and new.dropped_by <> session_user) then
        raise exception 'who confirms or drops is the session''s user' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger proposals_step before update on proposals for each row execute function proposals_step();

create function proposals_begin() returns trigger language plpgsql as $$
begin
    if new.proposed_by <> session_user or num_nonnulls(new.confirmed_by, new.dropped_by, new.done_at) > 0 or new.ordered <> 0 then
        raise exception 'a proposal begins with its proposer, and nothing else' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger proposals_begin before insert on proposals for each row execute function proposals_begin();

create function proposal_items_begin() returns trigger language plpgsql as $$
begin
    if not exists (select from proposals where id = new.proposal and proposed_at = now() and confirmed_by is null) then
        raise exception 'nothing is added to a proposal later' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger proposal_items_begin before insert on proposal_items for each row execute function proposal_items_begin();
create function proposal_items_stay() returns trigger language plpgsql as $$
begin
    raise exception 'what is proposed never changes' using errcode = 'check_violation';
end $$;
create trigger proposal_items_stay before update or delete on proposal_items for each row execute function proposal_items_stay();
create trigger proposals_stay before delete on proposals for each row execute function never_deleted();

-- What operators may do, and all that they may do. These run with the rights of the schema's owner; nobody else has the right to run them unless
-- `servicecert db operator` gives it.
create function propose(id uuid, kind text, reason text, why text, key_sha256 text, rate int, cases text[]) returns int
    language plpgsql security definer set search_path from current as $$
declare
    found text[];
begin
    -- What the revoker itself proposes is a cascade that it stopped, and nothing else; that an operator never does.
    if (session_user = current_user) <> (kind = 'cascade') then
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

create function confirm(id uuid) returns boolean language plpgsql security definer set search_path from current as $$
begin
    update proposals set confirmed_by = session_user, confirmed_at = now()
    where proposals.id = confirm.id and confirmed_by is null and dropped_by is null;
    if found then
        insert into deadlines (key, kind, id, at) values ('proposal/' || confirm.id, 'carry-out', gen_random_uuid(), now()) on conflict do nothing;
    end if;
    return found;
end $$;

create function drop_proposal(id uuid) returns boolean language plpgsql security definer set search_path from current as $$
begin
    update proposals set dropped_by = session_user, dropped_at = now()
    where proposals.id = drop_proposal.id and confirmed_by is null and dropped_by is null;
    return found;
end $$;

revoke execute on function propose(uuid, text, text, text, text, int, text[]), confirm(uuid), drop_proposal(uuid) from public;

-- What operators see of certificates: nothing of persons.
create view operators_certificates as
select s.key, s.standing, s.issuer, s.serial, s.key_sha256, certificate ->> 'account_id' as account_id, certificate ->> 'type' as type,
       certificate ->> 'profile' as profile, (certificate ->> 'profile_version')::int as profile_version,
       (certificate ->> 'issued_at')::timestamptz as issued_at, (certificate ->> 'not_after')::timestamptz as not_after,
       r.reason, r.requested_at, r.due, r.revoked_at
from statuses as s left join revocations as r on r.key = s.key
where s.standing <> 'awaited';
