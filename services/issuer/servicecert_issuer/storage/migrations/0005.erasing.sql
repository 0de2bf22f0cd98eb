-- E3: the recipients of a certificate can be erased; all else stays as it is guarded.
drop trigger certificates_step on certificates;
create trigger certificates_step
before update of key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256, certificate,
                 refusal, business_id, sign_by, application, findings, begun_at, ended_at
on certificates for each row execute function certificates_step();

create function certificates_erase() returns trigger language plpgsql as $$
begin
    raise exception 'of the grant of % only the recipients are ever erased', old.key using errcode = 'check_violation';
end $$;
create trigger certificates_erase before update of "grant" on certificates for each row
when (old.state = new.state and new."grant" <> jsonb_set(old."grant", '{recipients}', '[]'))
execute function certificates_erase();
