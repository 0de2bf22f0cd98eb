-- B6, D2: who proposed, confirmed or dropped is told in the audit, by the database itself, in the transaction that does it: operators may write no row of
-- the audit, and whatever client they use none of it is done without one. A row as the worker writes it, see servicecert_worker/audit/chain.py.
create function audit_line(chain uuid, seq bigint, at timestamptz, key text, entry jsonb) returns bytea language sql as $$
    select convert_to(format(
        '["%s","%s",%s,"%s",%s,%s]',
        current_schema(), chain, seq, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), to_json(key), entry
    ), 'utf8')
$$;

-- A chain of two rows, as each command of an operator makes one: who acts, and what is done.
create function tell_operation(command text, key text, facts jsonb) returns void language plpgsql set search_path from current as $$
declare
    chain uuid := gen_random_uuid();
    acting jsonb := jsonb_build_object('command', command, 'operator', session_user);
    begun jsonb := jsonb_build_object('begun', acting);
    done jsonb := jsonb_build_object('happened', jsonb_build_object(
        'command', command, 'facts', jsonb_build_object('operator', session_user) || jsonb_strip_nulls(facts)));
    head bytea := sha256(decode(repeat('00', 32), 'hex') || audit_line(chain, 1, now(), '', begun));
begin
    insert into audit_chains (chain) values (chain);
    insert into audit (chain, seq, at, key, entry, hash) values
        (chain, 1, now(), '', begun, head),
        (chain, 2, now(), key, done, sha256(head || audit_line(chain, 2, now(), key, done)));
end $$;

-- What is confirmed is told with the SHA-256 of its cases, a line each, since they are many.
create function proposals_told() returns trigger language plpgsql set search_path from current as $$
begin
    if tg_op = 'INSERT' then
        perform tell_operation('proposals propose', 'proposal/' || new.id, jsonb_build_object(
            'kind', new.kind, 'reason', new.reason, 'why', new.why, 'key_sha256', new.key_sha256, 'rate', new.rate, 'total', new.total));
    elsif new.confirmed_by is distinct from old.confirmed_by then
        perform tell_operation('proposals confirm', 'proposal/' || new.id, jsonb_build_object(
            'proposed_by', new.proposed_by, 'total', new.total, 'cases_sha256', (
                select encode(sha256(convert_to(string_agg(key || E'\n', '' order by place), 'utf8')), 'hex')
                from proposal_items where proposal = new.id
            )));
    elsif new.dropped_by is distinct from old.dropped_by then
        perform tell_operation('proposals drop', 'proposal/' || new.id, jsonb_build_object('proposed_by', new.proposed_by));
    end if;
    return null;
end $$;
create trigger proposals_told after insert or update of confirmed_by, dropped_by on proposals for each row execute function proposals_told();
revoke execute on function tell_operation(text, text, jsonb), proposals_told() from public;
