-- Who the operators are. One person with two logins would be both operators (D2): so a login that nobody else has confirmed decides nothing, whoever made
-- it in the database, and to make, reset or remove one is itself a proposal. The first two are made by the administrator of the database.
create table operators (
    login text primary key,
    since timestamptz not null default now(),
    proposal uuid references proposals, -- null: one of the first two
    removed_at timestamptz,
    -- Operators who have all lost their logins do not count any more: the administrator makes the first two anew.
    forgotten boolean not null default false check (not forgotten or removed_at is not null)
);
-- The logins that an earlier version made.
insert into operators (login)
select member.rolname from pg_roles as operators join pg_auth_members as m on m.roleid = operators.oid join pg_roles as member on member.oid = m.member
where operators.rolname = current_database() || '_operators' and member.rolcanlogin;

alter table proposals
    alter column reason drop not null,
    add column login text,
    -- The SHA-256 of the password's verifier, which is not shown: what the second operator compares with the person whose login it is.
    add column verifier_sha256 text check (verifier_sha256 ~ '^[0-9a-f]{64}$'),
    drop constraint proposals_kind_check,
    add constraint proposals_kind_check check (
        kind in ('withdrawal', 'incident', 'key', 'cascade', 'operator-added', 'operator-reset', 'operator-removed')),
    add constraint proposals_login check ((kind like 'operator-%') = (login is not null) and (login is null) = (reason is not null)),
    add constraint proposals_verifier check (verifier_sha256 is null or kind in ('operator-added', 'operator-reset'));

-- RFC 5802's StoredKey and ServerKey, until the proposal is confirmed or dropped. Operators cannot read them.
create table login_verifiers (
    proposal uuid primary key references proposals,
    verifier text not null check (verifier ~ '^SCRAM-SHA-256\$[0-9]{4,7}:[A-Za-z0-9+/=]{20,}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$')
);

create function operators_guard() returns trigger language plpgsql set search_path = revoker, pg_temp as $$
begin
    -- Two who begin at once do not both see fewer than two.
    lock table operators in share row exclusive mode;
    if tg_op = 'DELETE' then
        raise exception 'a row of operators is never deleted' using errcode = 'check_violation';
    elsif tg_op = 'INSERT' then
        if new.removed_at is not null or new.proposal is null and (select count(*) from operators where not forgotten) >= 2
           or new.proposal is not null and not exists (
               select from proposals where id = new.proposal and kind = 'operator-added' and login = new.login and confirmed_at = now())
        then
            raise exception 'operators decide who becomes one: % is not confirmed', new.login using errcode = 'check_violation';
        end if;
    elsif (new.login, new.since, new.proposal) is distinct from (old.login, old.since, old.proposal) or old.removed_at is not null then
        raise exception 'who became an operator, and when, never changes' using errcode = 'check_violation';
    elsif not new.forgotten then
        if not exists (select from proposals where kind = 'operator-removed' and login = new.login and confirmed_at = now()) then
            raise exception 'operators decide who stops being one: % is not confirmed', new.login using errcode = 'check_violation';
        end if;
        if (select count(*) from operators where removed_at is null) <= 2 then
            raise exception 'two operators are needed to decide anything: make another one first' using errcode = 'check_violation';
        end if;
    end if;
    return coalesce(new, old);
end $$;
create trigger operators_guard before insert or update or delete on operators for each row execute function operators_guard();

create function operators_told() returns trigger language plpgsql set search_path = revoker, pg_temp as $$
begin
    perform tell_operation('db operator', 'operator/' || new.login, '{}');
    return null;
end $$;
create trigger operators_told after insert on operators for each row when (new.proposal is null) execute function operators_told();

-- Who acts on a proposal is an operator: a member of their group, made by whom it may be, is none yet. What the revoker proposes is guarded in `propose`.
create function proposals_by_operators() returns trigger language plpgsql set search_path = revoker, pg_temp as $$
begin
    if not exists (select from operators where login = session_user and removed_at is null) then
        raise exception '% is no operator', session_user using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger proposals_by_operators before insert on proposals for each row when (new.kind <> 'cascade') execute function proposals_by_operators();
create trigger proposals_by_operators_on before update of confirmed_by, dropped_by on proposals for each row execute function proposals_by_operators();

create function proposals_login_stays() returns trigger language plpgsql as $$
begin
    raise exception 'what is proposed never changes' using errcode = 'check_violation';
end $$;
create trigger proposals_login_stays before update on proposals for each row
    when ((new.login, new.verifier_sha256) is distinct from (old.login, old.verifier_sha256)) execute function proposals_login_stays();

-- A login without a verifier has no password: it logs in by a client certificate alone.
create function propose_operator(id uuid, kind text, name text, verifier text, why text) returns void
    language plpgsql security definer set search_path = revoker, pg_temp as $$
declare
    wanted text := current_database() || '_operator_' || name;
begin
    if name !~ '^[a-z][a-z0-9-]{0,30}$' or length(wanted) > 63 then
        raise exception '% is no name of an operator', name using errcode = 'invalid_parameter_value';
    end if;
    if (kind = 'operator-added') = exists (select from operators where login = wanted)
       or kind <> 'operator-added' and exists (select from operators where login = wanted and removed_at is not null)
    then
        raise exception '% is or was an operator, or is none', name using errcode = 'invalid_parameter_value';
    end if;
    insert into proposals (id, kind, why, rate, total, login, verifier_sha256, proposed_by)
    values (propose_operator.id, propose_operator.kind, propose_operator.why, 1, 0, wanted,
            encode(sha256(convert_to(verifier, 'utf8')), 'hex'), session_user);
    insert into login_verifiers (proposal, verifier) select propose_operator.id, propose_operator.verifier where propose_operator.verifier is not null;
end $$;

-- The role is changed by `operator_logins.change`, which `servicecert db operator` makes: it alone may create roles, and only the owner of this schema
-- may call it.
create function change_operator(decided proposals) returns void language plpgsql set search_path = revoker, pg_temp as $$
begin
    if decided.kind = 'operator-added' then
        insert into operators (login, proposal) values (decided.login, decided.id);
    elsif decided.kind = 'operator-removed' then
        update operators set removed_at = now() where login = decided.login and removed_at is null;
    else
        perform from operators where login = decided.login and removed_at is null;
    end if;
    if not found then
        raise exception '% is no operator', decided.login using errcode = 'check_violation';
    end if;
    perform operator_logins.change(decided.kind, decided.login, (select verifier from login_verifiers where proposal = decided.id));
    delete from login_verifiers where proposal = decided.id;
    update proposals set done_at = now() where id = decided.id;
end $$;

create or replace function confirm(id uuid) returns boolean language plpgsql security definer set search_path = revoker, pg_temp as $$
declare
    decided proposals;
begin
    update proposals set confirmed_by = session_user, confirmed_at = now()
    where proposals.id = confirm.id and confirmed_by is null and dropped_by is null returning * into decided;
    if not found then
        return false;
    end if;
    if decided.login is not null then
        perform change_operator(decided);
    else
        insert into deadlines (key, kind, id, at) values ('proposal/' || confirm.id, 'carry-out', gen_random_uuid(), now()) on conflict do nothing;
    end if;
    return true;
end $$;

create or replace function drop_proposal(id uuid) returns boolean language plpgsql security definer set search_path = revoker, pg_temp as $$
begin
    update proposals set dropped_by = session_user, dropped_at = now()
    where proposals.id = drop_proposal.id and confirmed_by is null and dropped_by is null;
    if not found then
        return false;
    end if;
    delete from login_verifiers where proposal = drop_proposal.id;
    return true;
end $$;

create or replace function proposals_told() returns trigger language plpgsql set search_path = revoker, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        perform tell_operation('proposals propose', 'proposal/' || new.id, jsonb_strip_nulls(jsonb_build_object(
            'kind', new.kind, 'reason', new.reason, 'why', new.why, 'key_sha256', new.key_sha256, 'rate', new.rate, 'total', new.total,
            'login', new.login, 'verifier_sha256', new.verifier_sha256)));
    elsif new.confirmed_by is distinct from old.confirmed_by then
        perform tell_operation('proposals confirm', 'proposal/' || new.id, jsonb_strip_nulls(jsonb_build_object(
            'proposed_by', new.proposed_by, 'total', new.total, 'login', new.login, 'cases_sha256', (
                select encode(sha256(convert_to(string_agg(key || E'\n', '' order by place), 'utf8')), 'hex')
                from proposal_items where proposal = new.id
            ))));
    elsif new.dropped_by is distinct from old.dropped_by then
        perform tell_operation('proposals drop', 'proposal/' || new.id, jsonb_build_object('proposed_by', new.proposed_by));
    end if;
    return null;
end $$;

-- For the administrator, when so many have lost their logins that nobody can confirm anything. It is in the audit.
create function forget_operators(why text) returns void language plpgsql set search_path = revoker, pg_temp as $$
begin
    update operators set removed_at = coalesce(removed_at, now()), forgotten = true where not forgotten and removed_at is null;
    perform tell_operation('db operator forget', 'operators', jsonb_build_object('why', why));
end $$;

revoke execute on function
    operators_guard(), operators_told(), proposals_by_operators(), propose_operator(uuid, text, text, text, text), change_operator(proposals),
    forget_operators(text) from public;
