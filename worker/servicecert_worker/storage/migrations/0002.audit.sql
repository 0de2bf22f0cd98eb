-- The audit chains (B6): a row for each item that was decided, each sealed by the SHA-256 of the row before it and its own content. `salt` is what the
-- digests in an entry were made with. Taking it away is all that erasure ever does to a row, and no hash depends on it (E3).
create table audit (
    chain uuid not null,
    seq bigint not null check (seq > 0),
    at timestamptz not null,
    key text not null,
    entry text not null,
    hash bytea not null check (length(hash) = 32),
    salt bytea,
    primary key (chain, seq)
);
create index audit_key on audit (key);

-- Which chains there are, and up to which row the signed checkpoints vouch for them. Bookkeeping: the truth is in the checkpoints.
create table audit_chains (
    chain uuid primary key,
    attested bigint not null default 0
);

-- The checkpoints as they were signed and exported: the heads of the chains that grew, and the SHA-256 of the checkpoint before.
create table audit_checkpoints (
    number bigint primary key check (number > 0),
    body text not null,
    key_id text not null,
    signature bytea not null
);

create function audit_stays() returns trigger language plpgsql as $$
begin
    raise exception 'what % holds is never changed or deleted', tg_table_name using errcode = 'check_violation';
end $$;
create function audit_erases() returns trigger language plpgsql as $$
begin
    if new.salt is not null
       or (new.chain, new.seq, new.at, new.key, new.entry, new.hash) is distinct from (old.chain, old.seq, old.at, old.key, old.entry, old.hash)
    then
        raise exception 'of a row of audit only the salt is ever erased' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger audit_erases before update on audit for each row execute function audit_erases();
create trigger audit_stays before delete or truncate on audit for each statement execute function audit_stays();
create trigger audit_checkpoints_stay before update or delete or truncate on audit_checkpoints for each statement execute function audit_stays();

revoke update, delete, truncate on audit, audit_checkpoints from current_user;
grant update (salt) on audit to current_user;
