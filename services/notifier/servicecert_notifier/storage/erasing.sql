-- What the notifier erases (E3): recipients, names, references, tasks and operators' texts; see servicecert_worker/storage/erasing.sql. The rows of mails name
-- nobody, and stay. A case without a certificate ended with its last mail, but for those sent again; without a mail, with what was last decided about it.
create or replace function case_of(key text) returns uuid language sql immutable as $$ select case when is_case(key) then key::uuid end $$;

create or replace function case_end(of_key text) returns timestamptz language sql stable as $$
    select case
        when standing is null then '-infinity'
        when standing #>> '{certificate,not_after}' is not null then time_of(standing #>> '{certificate,not_after}')
        else coalesce(
            (select max(planned_at) from mails where mails.case_id = ledgers.case_id and copy = 0),
            (select max(at) from audit where audit.key = of_key),
            'infinity')
    end
    from ledgers where case_id = case_of(of_key)
$$;

-- A deferred mail can no longer be sent, and is given up.
create or replace function erase_case(of_key text) returns int language sql as $$
    with facts as (
        update ledgers set standing = null where case_id = case_of(of_key) and standing is not null returning 1
    ), tasks as (
        delete from orders where mail_id in (select mail_id from mails where case_id = case_of(of_key)) returning 1
    ), requests as (
        delete from notices where case_id = case_of(of_key) returning 1
    ), given_up as (
        update mails set
            reason = null,
            state = case state when 'deferred' then 'given-up' else state end,
            settled_at = case state when 'deferred' then now() else settled_at end,
            next_try_at = null
        where case_id = case_of(of_key) and (reason is not null or state = 'deferred')
        returning 1
    )
    select ((select count(*) from facts) + (select count(*) from tasks) + (select count(*) from requests) + (select count(*) from given_up))::int
$$;
