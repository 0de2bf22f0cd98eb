-- One row a case: a certificate that is intended, issued, refused or void, or an application stopped before its intent (B2, B3).
-- The database refuses a second serial number, other bytes and a transition back.
create type certificate_state as enum ('intended', 'issued', 'refused', 'stopped', 'voided');

create table certificates (
    key text primary key,
    version int not null check (version > 0),
    state certificate_state not null,
    issuer text,
    serial text check (serial ~ '^([0-9a-f]{2}){1,20}$'),
    tbs bytea check (length(tbs) > 0),
    profile text,
    profile_version int check (profile_version > 0),
    partition int check (partition >= 0),
    not_before timestamptz,
    not_after timestamptz check (not_after > not_before),
    key_sha256 text check (key_sha256 ~ '^[0-9a-f]{64}$'),
    business_id text not null default '',
    "grant" jsonb,
    certificate bytea,
    refusal text,
    -- All that is needed to retry a stopped application.
    application jsonb,
    findings jsonb,
    begun_at timestamptz not null default now(),
    sign_by timestamptz not null default now() + interval '7 days',
    ended_at timestamptz,
    unique (issuer, serial),
    constraint certificates_signed check ((state = 'issued') = (certificate is not null)),
    constraint certificates_code check ((state in ('refused', 'voided')) = (refusal is not null)),
    constraint certificates_stopped check (
        (state = 'stopped') = (application is not null) and (state = 'stopped') = (findings is not null)),
    -- A stopped application has a CA but nothing else of a certificate; a refused one has nothing.
    constraint certificates_whole check (
        num_nulls(issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, "grant")
        = case state when 'refused' then 10 when 'stopped' then 9 else 0 end
        and (state <> 'stopped' or issuer is not null))
) with (toast_tuple_target = 8160); -- Certificates do not compress, and a row is read whole.
create index certificates_key_sha256 on certificates (key_sha256);
create index certificates_begun_at on certificates (begun_at);
-- A stopped row leaves the index when it continues; intended and issued rows never enter it, so their updates touch no index.
create index certificates_stopped_since on certificates (begun_at) where application is not null;

-- Keys that are compromised are never certified again (D6).
create table blocked_keys (
    key_sha256 text primary key check (key_sha256 ~ '^[0-9a-f]{64}$'),
    blocked_at timestamptz not null default now()
);

create function blocked_keys_stay() returns trigger language plpgsql as $$
begin
    raise exception 'a key that is blocked stays so' using errcode = 'check_violation';
end $$;
create trigger blocked_keys_stay before update or delete on blocked_keys for each row execute function blocked_keys_stay();

-- A4: a key belongs to the organisation that it was first intended for, whatever races there are.
create table key_owners (
    key_sha256 text primary key,
    business_id text not null
);

-- Intending a certificate and blocking its key are serialised: either the intent sees the block, or the block the intent.
create function certificates_claim_key(key text, claimed text, claimant text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '/blocked/' || claimed, 0));
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

-- B2: only stored intents are signed, so a row begins without a certificate, and an intent ends with a certificate or void.
create function certificates_begin() returns trigger language plpgsql as $$
begin
    if new.state in ('issued', 'voided') then
        raise exception 'certificate of % was not intended before it was %', new.key, new.state using errcode = 'check_violation';
    end if;
    if new.state = 'intended' and new.business_id <> '' then
        perform certificates_claim_key(new.key, new.key_sha256, new.business_id);
    end if;
    return new;
end $$;
create trigger certificates_begin before insert on certificates for each row execute function certificates_begin();

create function certificates_step() returns trigger language plpgsql as $$
begin
    if old.state = 'stopped' and new.state in ('stopped', 'intended', 'refused') and new.key = old.key then
        perform certificates_claim_key(new.key, new.key_sha256, new.business_id) where new.state = 'intended';
        return new;
    end if;
    if old.state <> 'intended' or new.state not in ('issued', 'voided') then
        raise exception 'certificate of % cannot go from % to %', old.key, old.state, new.state using errcode = 'check_violation';
    end if;
    if (new.key, new.issuer, new.serial, new.tbs, new.profile, new.profile_version, new.partition, new.not_before, new.not_after, new.key_sha256,
        new.business_id, new.sign_by, new.begun_at)
       is distinct from
       (old.key, old.issuer, old.serial, old.tbs, old.profile, old.profile_version, old.partition, old.not_before, old.not_after, old.key_sha256,
        old.business_id, old.sign_by, old.begun_at)
    then
        raise exception 'what is intended for % never changes', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger certificates_step
before update of key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, certificate,
                 refusal, business_id, sign_by, application, findings, begun_at, ended_at
on certificates for each row execute function certificates_step();

-- E3: the recipients of a certificate can be erased, and nothing else.
create function certificates_erase() returns trigger language plpgsql as $$
begin
    raise exception 'of the grant of % only the recipients are ever erased', old.key using errcode = 'check_violation';
end $$;
create trigger certificates_erase before update of "grant" on certificates for each row
when (old.state = new.state and new."grant" <> jsonb_set(old."grant", '{recipients}', '[]'))
execute function certificates_erase();

create function certificates_stay() returns trigger language plpgsql as $$
begin
    raise exception 'certificate of % is never deleted', old.key using errcode = 'check_violation';
end $$;
create trigger certificates_stay before delete on certificates for each row execute function certificates_stay();

-- The intents to be voided, unless they are signed first.
create table unwanted (
    key text primary key references certificates,
    reason text not null check (reason <> ''),
    asked_at timestamptz not null default now()
);

-- One row for each check of all issued certificates: its position and counts. An unfinished run is continued.
create table rechecks (
    id bigint generated always as identity primary key,
    began_at timestamptz not null default now(),
    ended_at timestamptz,
    position text not null default '',
    good bigint not null default 0 check (good >= 0),
    bad bigint not null default 0 check (bad >= 0)
);
-- At most one run is unfinished.
create unique index rechecks_under_way on rechecks ((true)) where ended_at is null;

create table recheck_findings (
    recheck bigint not null references rechecks,
    key text not null,
    issuer text not null,
    serial text not null,
    codes text[] not null check (cardinality(codes) > 0),
    primary key (recheck, key)
);
