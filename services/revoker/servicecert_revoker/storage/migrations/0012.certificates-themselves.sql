-- F2, F4: the certificate itself, in DER. What a revocation needs of it is read from it at each use; `certificate` has the same for queries, and what the
-- issuer said beside it. Null in rows that an earlier version wrote, whose `certificate` counts.
alter table statuses add column der bytea;
alter table statuses alter column der set statistics 0, alter column der set storage external;
-- Certificates do not compress, and a row is read whole.
alter table statuses set (toast_tuple_target = 8160);

-- What is known of a certificate never changes, whoever writes: only the recipients are ever erased (E3). Another version may
-- write the names of what is null, or not.
create or replace function statuses_step() returns trigger language plpgsql as $$
begin
    if new.standing < old.standing then
        raise exception 'certificate of % cannot go from % to %', old.key, old.standing, new.standing using errcode = 'check_violation';
    end if;
    if new.key <> old.key or new.issuer <> old.issuer or new.serial <> old.serial
       or old.issuer is not null and new.partition <> old.partition
       or old.certificate is not null and (
           new.der is distinct from old.der
           or jsonb_strip_nulls(new.certificate) - '{recipients,partition}'::text[]
              is distinct from jsonb_strip_nulls(old.certificate) - '{recipients,partition}'::text[]
           or jsonb_strip_nulls(new.certificate -> 'recipients') is distinct from jsonb_strip_nulls(old.certificate -> 'recipients')
              and new.certificate -> 'recipients' is distinct from '[]')
    then
        raise exception 'certificate of % stays the one that it is', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;

-- An entry is of the certificate of its case, and is listed until that ends, whoever writes it (I7).
create or replace function revocations_final() returns trigger language plpgsql as $$
declare
    revoked record;
begin
    if tg_op = 'INSERT' then
        select issuer, serial, partition, (certificate ->> 'not_after')::timestamptz as not_after into revoked from statuses where key = new.key;
        if (new.issuer, new.serial, new.partition) is distinct from (revoked.issuer, revoked.serial, revoked.partition) then
            -- Where no certificate is known, another turn was first: this one is taken again.
            raise exception 'the certificate of % is another one', new.key
                using errcode = case when revoked.issuer is null then 'serialization_failure' else 'check_violation' end;
        end if;
        new.not_after := greatest(new.not_after, revoked.not_after);
        return new;
    end if;
    if new.reason <> 'key-exposed' or old.reason = 'key-exposed'
       and coalesce(new.invalid_since, 'infinity') >= coalesce(old.invalid_since, old.revoked_at)
    then
        raise exception 'revocation of % is final; only an exposed key overrides a weaker reason, and only an earlier date another one', old.key
            using errcode = 'check_violation';
    end if;
    if (new.issuer, new.serial, new.partition, new.key, new.requested_at, new.due, new.revoked_at, new.not_after)
       is distinct from (old.issuer, old.serial, old.partition, old.key, old.requested_at, old.due, old.revoked_at, old.not_after)
    then
        raise exception 'what is revoked for %, and since when, never changes', old.key using errcode = 'check_violation';
    end if;
    return new;
end $$;
create or replace trigger revocations_final before insert or update on revocations for each row execute function revocations_final();

-- The certificates whose revocation two operators confirmed, and that are valid a day after the proposal was done (D2, D4).
create view left_undone as
select s.key, p.id as proposal
from proposals as p join proposal_items as i on i.proposal = p.id join statuses as s on s.key = i.key
where p.confirmed_by is not null and p.done_at is not null and least(p.done_at, p.confirmed_at + interval '7 days') < now() - interval '24 hours'
  and s.standing = 'valid' and (s.certificate ->> 'not_after')::timestamptz > now();
