do $$ begin perform set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); end $$;
-- What operators may change (F4): request mails again. It locks the cases as turns do, and returns how many mails: a second request with one id is none.
create function resend_mails(requests uuid[], cases uuid[], mail_ids uuid[], again uuid[], reason text, address text) returns int
    language plpgsql security definer set search_path from current as $$
declare
    resent int;
begin
    perform pg_advisory_xact_lock(lock)
    from (select distinct lock_of('key/' || case_id) as lock from unnest(cases) as c (case_id) order by 1 offset 0) as l;
    with asked as (
        select * from unnest(requests, cases, mail_ids, again) as a (id, case_id, mail_id, again)
    ),
    kept as (
        insert into notices (id, case_id, mail_id, wanted, text, at, address)
        select a.id, a.case_id, a.mail_id, 'resend', resend_mails.reason, now(), resend_mails.address
        from asked as a join mails as m on m.mail_id = a.mail_id and m.case_id = a.case_id
        on conflict do nothing
        returning id, case_id, mail_id
    ),
    armed as (
        insert into deadlines (key, kind, id, at)
        select distinct on (case_id) case_id::text, 'notices', id, now() from kept
        on conflict (key, kind) do update set id = excluded.id, at = excluded.at
    )
    select record_operation(
        'mail resend', array_agg(k.case_id::text), array_agg(jsonb_build_object('mail', k.mail_id, 'as', a.again)))
    into resent from kept as k join asked as a using (id);
    return resent;
end $$;
