-- When intended and ended, until when to be signed, for whom; and of a stopped application all that is needed to try it anew.
alter table certificates
    add column business_id text not null default '',
    add column sign_by timestamptz not null default now() + interval '7 days',
    add column application jsonb,
    add column findings jsonb,
    add column begun_at timestamptz not null default now(),
    add column ended_at timestamptz;

do $$
declare found text;
begin
    for found in select conname from pg_constraint
        where conrelid = 'certificates'::regclass and contype = 'c' and pg_get_constraintdef(oid) like '%state%'
    loop
        execute format('alter table certificates drop constraint %I', found);
    end loop;
end $$;

-- A stopped application has its CA and nothing else of a certificate; one that is refused has nothing.
alter table certificates
    add constraint certificates_signed check ((state = 'issued') = (certificate is not null)),
    add constraint certificates_code check ((state in ('refused', 'voided')) = (refusal is not null)),
    add constraint certificates_stopped check (
        (state = 'stopped') = (application is not null) and (state = 'stopped') = (findings is not null)),
    add constraint certificates_whole check (
        num_nulls(issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, "grant")
        = case state when 'refused' then 10 when 'stopped' then 9 else 0 end
        and (state <> 'stopped' or issuer is not null));

create index certificates_begun_at on certificates (begun_at);
-- A stopped row leaves it when it goes on; what is intended and issued never comes in, so that its update touches no index.
create index certificates_stopped_since on certificates (begun_at) where application is not null;

-- A4: a key belongs to the organisation that it was first intended for, whatever races there are. What workers of before intend has no business id.
create table key_owners (
    key_sha256 text primary key,
    business_id text not null
);

create function certificates_claim_key(key text, claimed text, claimant text) returns void language plpgsql as $$
begin
    insert into key_owners (key_sha256, business_id) values (claimed, claimant) on conflict do nothing;
    if not exists (select from key_owners where key_sha256 = claimed and business_id = claimant) then
        raise exception 'the key of % is certified for another organisation', key
            using errcode = 'unique_violation', constraint = 'key_of_another_organisation', detail = key;
    end if;
end $$;

create or replace function certificates_begin() returns trigger language plpgsql as $$
begin
    if new.state in ('issued', 'voided') then
        raise exception 'certificate of % was not intended before it was %', new.key, new.state using errcode = 'check_violation';
    end if;
    if new.state = 'intended' and new.business_id <> '' then
        perform certificates_claim_key(new.key, new.key_sha256, new.business_id);
    end if;
    return new;
end $$;

create or replace function certificates_step() returns trigger language plpgsql as $$
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

-- Whose intentions operators want void. Whoever holds the act heeds it, unless it is signed before.
create table unwanted (
    key text primary key references certificates,
    reason text not null check (reason <> ''),
    asked_at timestamptz not null default now()
);
