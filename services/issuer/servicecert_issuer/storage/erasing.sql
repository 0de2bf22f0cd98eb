-- What the issuer erases (E3): the recipients of a certificate, and a stopped application; see servicecert_worker/storage/erasing.sql.
create or replace function case_end(of_key text) returns timestamptz language sql stable as $$
    select case state
        when 'intended' then 'infinity'
        when 'issued' then not_after
        else coalesce(ended_at, begun_at)
    end
    from certificates where key = of_key
$$;

create or replace function cases_to_erase() returns setof text language sql stable as $$
    select key from certificates
    where state in ('issued', 'voided') and not_after < erasable_before() and "grant" -> 'recipients' <> '[]'
$$;

create or replace function erase_case(of_key text) returns int language plpgsql as $$
declare
    stopped int;
    granted int;
begin
    update certificates set state = 'refused', refusal = 'erased', application = null, findings = null, issuer = null
    where key = of_key and state = 'stopped';
    get diagnostics stopped = row_count;
    update certificates set "grant" = jsonb_set("grant", '{recipients}', '[]') where key = of_key and "grant" -> 'recipients' <> '[]';
    get diagnostics granted = row_count;
    return stopped + granted;
end $$;
