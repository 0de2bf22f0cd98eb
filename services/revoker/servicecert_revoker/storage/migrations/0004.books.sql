-- F3: the books of the certificates of OCSP responders. What is intended is written before it is signed, once; its end is a fingerprint or a refusal.
create table responder_certificates (
    issuer text not null,
    serial text not null check (serial ~ '^([0-9a-f]{2}){1,20}$'),
    environment text not null check (environment in ('production', 'test')),
    key_sha256 text not null check (key_sha256 ~ '^[0-9a-f]{64}$'),
    tbs_sha256 text not null check (tbs_sha256 ~ '^[0-9a-f]{64}$'),
    not_after timestamptz not null,
    intended_at timestamptz not null default now(),
    fingerprint text check (fingerprint ~ '^[0-9a-f]{64}$'),
    refusal text check (refusal <> ''),
    primary key (issuer, serial),
    unique (issuer, key_sha256),
    constraint responder_certificates_one_end check (num_nonnulls(fingerprint, refusal) <= 1)
);
create index responder_certificates_key on responder_certificates (key_sha256);
create index responder_certificates_intended_at on responder_certificates (intended_at);

create function responder_certificates_step() returns trigger language plpgsql as $$
begin
    if (new.issuer, new.serial, new.environment, new.key_sha256, new.tbs_sha256, new.not_after, new.intended_at)
       is distinct from
       (old.issuer, old.serial, old.environment, old.key_sha256, old.tbs_sha256, old.not_after, old.intended_at)
       or num_nonnulls(old.fingerprint, old.refusal) > 0 and (new.fingerprint, new.refusal) is distinct from (old.fingerprint, old.refusal)
    then
        raise exception 'what is intended for a responder never changes, nor its end' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger responder_certificates_step before update on responder_certificates for each row execute function responder_certificates_step();
create trigger responder_certificates_stay before delete on responder_certificates for each row execute function never_deleted();

-- F2: the second certificates of cases, for operators: each is an alarm.
create index statuses_second on statuses (key) where certificate ->> 'second_of' is not null;
create or replace view operators_certificates as
select s.key, s.standing, s.issuer, s.serial, s.key_sha256, certificate ->> 'account_id' as account_id, certificate ->> 'type' as type,
       certificate ->> 'profile' as profile, (certificate ->> 'profile_version')::int as profile_version,
       (certificate ->> 'issued_at')::timestamptz as issued_at, (certificate ->> 'not_after')::timestamptz as not_after,
       r.reason, r.requested_at, r.due, r.revoked_at, certificate ->> 'second_of' as second_of
from statuses as s left join revocations as r on r.key = s.key
where s.standing <> 'awaited';
