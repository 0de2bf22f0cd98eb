-- What is known of each case's certificate. Its steps go forward only: revocation is final (D3).
create type standing as enum ('awaited', 'valid', 'registered', 'revoked');

create table statuses (
    key text primary key,
    version int not null check (version > 0),
    standing standing not null,
    issuer text,
    serial text check (serial ~ '^([0-9a-f]{2}){1,20}$'),
    certificate jsonb,
    asked jsonb,
    unique (issuer, serial),
    check ((standing = 'awaited') = (asked is not null)),
    check (num_nulls(issuer, serial, certificate) = case standing when 'awaited' then 3 else 0 end)
);

create function statuses_step() returns trigger language plpgsql as $$
begin
    if new.standing < old.standing then
        raise exception 'certificate of % cannot go from % to %', old.key, old.standing, new.standing using errcode = 'check_violation';
    end if;
    if new.key <> old.key or new.issuer <> old.issuer or new.serial <> old.serial then
        raise exception 'certificate of % stays the one that it is', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger statuses_step before update on statuses for each row execute function statuses_step();

-- The entries of the CRLs, each encoded once. `request_id` is the request that gave the reason.
create table revocations (
    issuer text not null,
    serial text not null,
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

create function revocations_final() returns trigger language plpgsql as $$
begin
    if old.reason = 'key-exposed' or new.reason <> 'key-exposed' then
        raise exception 'revocation of % is final; only an exposed key overrides a weaker reason', old.key using errcode = 'check_violation';
    end if;
    if (new.issuer, new.serial, new.key, new.requested_at, new.due, new.revoked_at, new.not_after)
       is distinct from (old.issuer, old.serial, old.key, old.requested_at, old.due, old.revoked_at, old.not_after)
    then
        raise exception 'what is revoked for %, and since when, never changes', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger revocations_final before update on revocations for each row execute function revocations_final();

-- Every CRL number that was ever given out, whether its CRL came to be published or not (D7).
create table crls (
    issuer text not null,
    partition int not null check (partition >= 0),
    number bigint not null check (number > 0),
    scheduled boolean not null,
    allocated_at timestamptz not null default now(),
    this_update timestamptz,
    next_update timestamptz check (next_update > this_update),
    entries int check (entries >= 0),
    sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
    published_at timestamptz,
    primary key (issuer, partition, number),
    check (num_nulls(this_update, next_update, entries, sha256, published_at) in (0, 5))
);

create function crls_grow() returns trigger language plpgsql as $$
begin
    if exists (select from crls where issuer = new.issuer and partition = new.partition and number >= new.number) then
        raise exception 'CRL number % of % is not greater than those before it', new.number, new.issuer using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger crls_grow before insert on crls for each row execute function crls_grow();

create function crls_once() returns trigger language plpgsql as $$
begin
    if old.published_at is not null
       or (new.issuer, new.partition, new.number, new.scheduled) <> (old.issuer, old.partition, old.number, old.scheduled)
    then
        raise exception 'CRL % of % is recorded once', old.number, old.issuer using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger crls_once before update on crls for each row execute function crls_once();

create function never_deleted() returns trigger language plpgsql as $$
begin
    raise exception 'a row of % is never deleted', tg_table_name using errcode = 'check_violation';
end $$;
create trigger revocations_stay before delete on revocations for each row execute function never_deleted();
create trigger crls_stay before delete on crls for each row execute function never_deleted();
