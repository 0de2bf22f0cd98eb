-- An application as intake has signed it: the act that signs verifies it, and believes no other column (F3). It goes with the end of the case's intent,
-- also where the release before writes that end, or the eraser (E3).
alter table certificates add column record text;
alter table certificates alter column record set statistics 0;

create or replace function certificates_step() returns trigger language plpgsql as $$
begin
    if new.state not in ('stopped', 'intended') then
        new.record := null;
    end if;
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
