-- Keys that are compromised are never certified again (D6).
create table blocked_keys (
    key_sha256 text primary key check (key_sha256 ~ '^[0-9a-f]{64}$'),
    blocked_at timestamptz not null default now()
);

create function blocked_keys_stay() returns trigger language plpgsql as $$
begin
    raise exception 'a key that is blocked stays so' using errcode = 'check_violation';
end $$;
create trigger blocked_keys_stay before update or delete on blocked_keys for each row execute function blocked_keys_stay();

-- Whoever intends a certificate and whoever blocks its key come one after the other: either the intention sees the block, or the block the intention.
create or replace function certificates_claim_key(key text, claimed text, claimant text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '/blocked/' || claimed, 0));
    if exists (select from blocked_keys where key_sha256 = claimed) then
        raise exception 'the key of % is compromised', key
            using errcode = 'unique_violation', constraint = 'key_compromised', detail = key;
    end if;
    insert into key_owners (key_sha256, business_id) values (claimed, claimant) on conflict do nothing;
    if not exists (select from key_owners where key_sha256 = claimed and business_id = claimant) then
        raise exception 'the key of % is certified for another organisation', key
            using errcode = 'unique_violation', constraint = 'key_of_another_organisation', detail = key;
    end if;
end $$;
