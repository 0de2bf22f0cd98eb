-- Who asked for a revocation and gave an address: personal data, until the case is erased (D5, E3). The CRL by which the recipients were notified. Whether
-- a later request changed the entry of a revoked certificate, and relying parties cannot see the new one yet (D3, D4).
alter table statuses
    add column requesters jsonb,
    add column listing jsonb,
    add column changed boolean not null default false,
    add constraint statuses_changed check (not changed or standing = 'revoked');
drop index statuses_open;
create index statuses_open on statuses (key) where standing > 'valid' and standing < 'revoked' or changed;

-- When the request was sent that changed reason or date. `not_after` is until when the entry must be listed: of a certificate that is revoked after its
-- end, because its request was sent before, the moment of the revocation. So it is on one scheduled CRL, too.
alter table revocations add column changed_at timestamptz;

create or replace function revocations_final() returns trigger language plpgsql as $$
begin
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
