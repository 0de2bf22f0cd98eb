-- The partition of each certificate's CRL, as the issuer drew it; 0 is covered by the full one alone (D7).
alter table statuses add column partition int not null default 0 check (partition >= 0);
create index statuses_partition on statuses (issuer, partition);

alter table revocations add column partition int not null default 0 check (partition >= 0);

create or replace function statuses_step() returns trigger language plpgsql as $$
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

create or replace function revocations_final() returns trigger language plpgsql as $$
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
