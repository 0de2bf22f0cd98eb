-- How often later requests changed a revocation: each is a CRL and mails, so that there are only so many (F5).
alter table revocations add column changes int not null default 0 check (changes >= 0);

-- An operator has a bounded number of proposals that nobody has decided: the others must be able to read them (F5).
create function proposals_bounded() returns trigger language plpgsql set search_path = revoker, pg_temp as $$
begin
    if (select count(*) from proposals
        where proposed_by = new.proposed_by and kind <> 'cascade' and confirmed_by is null and dropped_by is null) >= 50
    then
        raise exception 'an operator has at most 50 undecided proposals' using errcode = 'program_limit_exceeded';
    end if;
    return new;
end $$;
create trigger proposals_bounded before insert on proposals for each row when (new.kind <> 'cascade') execute function proposals_bounded();
revoke execute on function proposals_bounded() from public;
