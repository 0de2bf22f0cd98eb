-- What the revoker erases (E3): the recipients, and who asked for the revocation, whether it still waits or not, with or without a certificate; see
-- servicecert_worker/storage/erasing.sql. The certificate, its revocation and its CRL entry stay.
create or replace function case_end(of_key text) returns timestamptz language sql stable as $$
    select case
        when standing = 'awaited' then (select max(time_of(waiting ->> 'since')) from jsonb_array_elements(asked) as waiting)
        when certificate ? 'account_id' then coalesce(time_of(certificate ->> 'not_after'), 'infinity')
        else coalesce(revoked_at, 'infinity') -- a void serial number
    end
    from statuses left join revocations using (key) where key = of_key
$$;

create or replace function erase_case(of_key text) returns int language sql as $$
    with erased as (
        update statuses
        set certificate = jsonb_set(certificate, '{recipients}', '[]', false), asked = case standing when 'awaited' then '[]'::jsonb end, requesters = null
        where key = of_key and (certificate -> 'recipients' <> '[]' or asked <> '[]' or requesters is not null)
        returning 1
    )
    select count(*)::int from erased
$$;
