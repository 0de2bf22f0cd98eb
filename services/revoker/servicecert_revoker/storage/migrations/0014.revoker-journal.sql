-- What of the revoker is in the journal.
-- In the order in which turns lock them, so that neither waits for the other.
lock table crls, operators, proposals, proposal_items, responder_certificates, statuses, revocations, compromised_keys in share row exclusive mode;

do $$ begin
    perform keep_in_journal('statuses', 'key', '{key}');
    perform keep_in_journal('revocations', 'key', '{key}');
    perform keep_in_journal('crls', 'crls', '{issuer,partition,number}');
    perform keep_in_journal('compromised_keys', 'compromised_keys', '{key_sha256}');
    perform keep_in_journal('proposals', 'proposals', '{id}');
    perform keep_in_journal('proposal_items', 'proposal_items', '{proposal,place}');
    perform keep_in_journal('operators', 'operators', '{login}');
    perform keep_in_journal('responder_certificates', 'responder_certificates', '{issuer,serial}');
end $$;

-- D2: a verifier is a secret, and not in the journal: a database that was brought forward by it lacks those of what was proposed since its copy. Without
-- this guard a login would be made or reset without its password.
create function proposals_verifier_lost() returns trigger language plpgsql set search_path = revoker, pg_temp as $$
begin
    if not exists (select from login_verifiers where proposal = new.id) then
        raise exception 'the password of % is lost since a restore: drop the proposal, and propose it again', new.login using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger proposals_verifier_lost before update of confirmed_by on proposals for each row
    when (new.confirmed_by is not null and new.verifier_sha256 is not null) execute function proposals_verifier_lost();
