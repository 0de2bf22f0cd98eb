-- The status of each case's certificate. It only moves forward: revocation is final (D3). Between the CRL that lists a certificate and the event
-- that it is revoked, OCSP is asked whether it says so too (D5, I7).
create type standing as enum ('awaited', 'valid', 'registered', 'listed', 'revoked');

create table statuses (
    key text primary key,
    version int not null check (version > 0),
    standing standing not null,
    issuer text,
    serial text check (serial ~ '^([0-9a-f]{2}){1,20}$'),
    -- The partition of the certificate's CRL, as the issuer drew it; 0 is covered by the full one alone (D7).
    partition int not null default 0 check (partition >= 0),
    certificate jsonb,
    asked jsonb,
    -- What certificates are selected by: a key that is exposed, and the operators' incidents (D6).
    key_sha256 text generated always as (certificate ->> 'key_sha256') stored,
    unique (issuer, serial),
    -- Requests may wait whatever the certificate's standing: for the invitation of whoever asks, or because an outsider learns nothing, also not by the
    -- time (D1).
    constraint statuses_asked check (standing <> 'awaited' or asked is not null),
    check (num_nulls(issuer, serial, certificate) = case standing when 'awaited' then 3 else 0 end)
);
create index statuses_partition on statuses (issuer, partition);
create index statuses_key_sha256 on statuses (key_sha256) where key_sha256 is not null;
-- The revocations that relying parties cannot see yet: the open ones of D4.
create index statuses_open on statuses (key) where standing > 'valid' and standing < 'revoked';

create function statuses_step() returns trigger language plpgsql as $$
begin
    if new.standing < old.standing then
        raise exception 'certificate of % cannot go from % to %', old.key, old.standing, new.standing using errcode = 'check_violation';
    end if;
    if new.key <> old.key or new.issuer <> old.issuer or new.serial <> old.serial
       or old.issuer is not null and new.partition <> old.partition
    then
        raise exception 'certificate of % stays the one that it is', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger statuses_step before update on statuses for each row execute function statuses_step();

create function never_deleted() returns trigger language plpgsql as $$
begin
    raise exception 'a row of % is never deleted', tg_table_name using errcode = 'check_violation';
end $$;

-- The entries of the CRLs, each encoded once. `request_id` is the request that gave the reason.
create table revocations (
    issuer text not null,
    serial text not null,
    octets bytea not null generated always as (decode(lpad(serial, 40, '0'), 'hex')) stored,
    partition int not null default 0 check (partition >= 0),
    key text not null unique references statuses,
    request_id uuid not null,
    reason text not null check (reason in ('key-exposed', 'no-longer-needed', 'purpose-or-data-changed', 'privilege-withdrawn')),
    requested_at timestamptz not null,
    due timestamptz not null,
    revoked_at timestamptz not null,
    invalid_since timestamptz,
    not_after timestamptz not null,
    entry bytea not null,
    primary key (issuer, serial)
);
-- CRLs list their entries in the order of the serial numbers: as numbers, so that one reading can be compared with another without sorting. The
-- indexes hold all that a CRL is made of, so that a million entries are read in one pass, whatever order they came in.
create unique index revocations_full on revocations (issuer, octets) include (partition, not_after, entry);
create index revocations_partition on revocations (issuer, partition, octets) include (not_after, entry);

create function revocations_final() returns trigger language plpgsql as $$
begin
    if old.reason = 'key-exposed' or new.reason <> 'key-exposed' then
        raise exception 'revocation of % is final; only an exposed key overrides a weaker reason', old.key using errcode = 'check_violation';
    end if;
    if (new.issuer, new.serial, new.partition, new.key, new.requested_at, new.due, new.revoked_at, new.not_after)
       is distinct from (old.issuer, old.serial, old.partition, old.key, old.requested_at, old.due, old.revoked_at, old.not_after)
    then
        raise exception 'what is revoked for %, and since when, never changes', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger revocations_final before update on revocations for each row execute function revocations_final();
create trigger revocations_stay before delete on revocations for each row execute function never_deleted();

-- Every CRL number that was ever allocated, whether its CRL was published or not (D7).
create table crls (
    issuer text not null,
    partition int not null check (partition >= 0),
    number bigint not null check (number > 0),
    scheduled boolean not null,
    allocated_at timestamptz not null default now(),
    this_update timestamptz,
    next_update timestamptz check (next_update > this_update),
    entries int check (entries >= 0),
    -- The sum of the serial numbers that a published CRL lists: with their count it tells whether the partitions together are the full one.
    serial_sum numeric(60) check (serial_sum >= 0),
    sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
    published_at timestamptz,
    primary key (issuer, partition, number),
    check (num_nulls(this_update, next_update, entries, sha256, published_at) in (0, 5))
);
create index crls_scheduled on crls (issuer, this_update) where partition = 0 and scheduled;

create function crls_grow() returns trigger language plpgsql as $$
begin
    if exists (select from crls where issuer = new.issuer and partition = new.partition and number >= new.number) then
        raise exception 'CRL number % of % is not greater than those before it', new.number, new.issuer using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger crls_grow before insert on crls for each row execute function crls_grow();

-- A delayed revoker cannot record its CRL after a later one.
create function crls_once() returns trigger language plpgsql as $$
begin
    if old.published_at is not null
       or (new.issuer, new.partition, new.number, new.scheduled) <> (old.issuer, old.partition, old.number, old.scheduled)
    then
        raise exception 'CRL % of % is recorded once', old.number, old.issuer using errcode = 'check_violation';
    end if;
    if exists (select from crls where issuer = new.issuer and partition = new.partition and number > new.number and published_at is not null) then
        raise exception 'CRL % of % comes too late', new.number, new.issuer using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger crls_once before update on crls for each row execute function crls_once();
create trigger crls_stay before delete on crls for each row execute function never_deleted();

-- Compromised keys (D6). They stay here forever.
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
-- What runs with the rights of the schema's owner looks for temporary tables last. They come first where a search path does not name them, so that an
-- operator's own table, with a trigger of the operator's, would be written instead of ours, and the trigger would run with the owner's rights.
create function propose(id uuid, kind text, reason text, why text, key_sha256 text, rate int, cases text[]) returns int
    language plpgsql security definer set search_path = revoker, pg_temp as $$
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

create function confirm(id uuid) returns boolean language plpgsql security definer set search_path = revoker, pg_temp as $$
begin
    update proposals set confirmed_by = session_user, confirmed_at = now()
    where proposals.id = confirm.id and confirmed_by is null and dropped_by is null;
    if found then
        insert into deadlines (key, kind, id, at) values ('proposal/' || confirm.id, 'carry-out', gen_random_uuid(), now()) on conflict do nothing;
    end if;
    return found;
end $$;

create function drop_proposal(id uuid) returns boolean language plpgsql security definer set search_path = revoker, pg_temp as $$
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

-- B6, D2: who proposed, confirmed or dropped is told in the audit, by the database itself, in the transaction that does it: operators may write no row of
-- the audit, and whatever client they use none of it is done without one. A row as the worker writes it, see servicecert_worker/audit/chain.py.
create function audit_line(chain uuid, seq bigint, at timestamptz, key text, entry jsonb) returns bytea language sql as $$
    select convert_to(format(
        '["%s","%s",%s,"%s",%s,%s]',
        current_schema(), chain, seq, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), to_json(key), entry
    ), 'utf8')
$$;

-- A chain of two rows, as each command of an operator makes one: who acts, and what is done.
create function tell_operation(command text, key text, facts jsonb) returns void language plpgsql set search_path = revoker, pg_temp as $$
declare
    chain uuid := gen_random_uuid();
    acting jsonb := jsonb_build_object('command', command, 'operator', session_user);
    begun jsonb := jsonb_build_object('begun', acting);
    done jsonb := jsonb_build_object('happened', jsonb_build_object(
        'command', command, 'facts', jsonb_build_object('operator', session_user) || jsonb_strip_nulls(facts)));
    head bytea := sha256(decode(repeat('00', 32), 'hex') || audit_line(chain, 1, now(), '', begun));
begin
    insert into audit_chains (chain) values (chain);
    insert into audit (chain, seq, at, key, entry, hash) values
        (chain, 1, now(), '', begun, head),
        (chain, 2, now(), key, done, sha256(head || audit_line(chain, 2, now(), key, done)));
end $$;

-- What is confirmed is told with the SHA-256 of its cases, a line each, since they are many.
create function proposals_told() returns trigger language plpgsql set search_path = revoker, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        perform tell_operation('proposals propose', 'proposal/' || new.id, jsonb_build_object(
            'kind', new.kind, 'reason', new.reason, 'why', new.why, 'key_sha256', new.key_sha256, 'rate', new.rate, 'total', new.total));
    elsif new.confirmed_by is distinct from old.confirmed_by then
        perform tell_operation('proposals confirm', 'proposal/' || new.id, jsonb_build_object(
            'proposed_by', new.proposed_by, 'total', new.total, 'cases_sha256', (
                select encode(sha256(convert_to(string_agg(key || E'\n', '' order by place), 'utf8')), 'hex')
                from proposal_items where proposal = new.id
            )));
    elsif new.dropped_by is distinct from old.dropped_by then
        perform tell_operation('proposals drop', 'proposal/' || new.id, jsonb_build_object('proposed_by', new.proposed_by));
    end if;
    return null;
end $$;
create trigger proposals_told after insert or update of confirmed_by, dropped_by on proposals for each row execute function proposals_told();
revoke execute on function tell_operation(text, text, jsonb), proposals_told() from public;
