-- One row a case: the certificate that is intended, issued or refused. The database itself refuses a second serial, other bytes and a step back.
create type certificate_state as enum ('intended', 'issued', 'refused');

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
    "grant" jsonb,
    certificate bytea,
    refusal text,
    unique (issuer, serial),
    check ((state = 'issued') = (certificate is not null)),
    check ((state = 'refused') = (refusal is not null)),
    check (num_nulls(issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, "grant")
           = case state when 'refused' then 10 else 0 end)
) with (toast_tuple_target = 8160); -- Certificates do not compress, and a row is read whole.
create index certificates_key_sha256 on certificates (key_sha256);

-- B2: bytes that are not durable as intended are never signed, so a row begins without a certificate, and its only step is to have one.
create function certificates_begin() returns trigger language plpgsql as $$
begin
    if new.state = 'issued' then
        raise exception 'certificate of % was not intended before it was issued', new.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger certificates_begin before insert on certificates for each row execute function certificates_begin();

create function certificates_step() returns trigger language plpgsql as $$
begin
    if old.state <> 'intended' or new.state <> 'issued' then
        raise exception 'certificate of % cannot go from % to %', old.key, old.state, new.state using errcode = 'check_violation';
    end if;
    if (new.key, new.issuer, new.serial, new.tbs, new.profile, new.profile_version, new.partition, new.not_before, new.not_after, new.key_sha256)
       is distinct from
       (old.key, old.issuer, old.serial, old.tbs, old.profile, old.profile_version, old.partition, old.not_before, old.not_after, old.key_sha256)
    then
        raise exception 'what is intended for % never changes', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger certificates_step before update on certificates for each row execute function certificates_step();

create function certificates_stay() returns trigger language plpgsql as $$
begin
    raise exception 'certificate of % is never deleted', old.key using errcode = 'check_violation';
end $$;
create trigger certificates_stay before delete on certificates for each row execute function certificates_stay();
