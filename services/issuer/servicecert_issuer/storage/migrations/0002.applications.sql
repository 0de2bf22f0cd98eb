-- The digest of the application that a case began with, without its recipients: another one for the case is an alarm (F2).
alter table certificates add column application_sha256 text check (application_sha256 ~ '^[0-9a-f]{64}$');

create function certificates_application_stays() returns trigger language plpgsql as $$
begin
    raise exception 'the application of % never changes', old.key using errcode = 'check_violation';
end $$;
create trigger certificates_application_stays before update of application_sha256 on certificates for each row
when (old.application_sha256 is not null and new.application_sha256 is distinct from old.application_sha256)
execute function certificates_application_stays();
