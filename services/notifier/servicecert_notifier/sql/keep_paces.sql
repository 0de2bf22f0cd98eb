-- How far reminders are given out after a turn. What lies in the past says nothing any more.
with kept as (
    insert into paces as p (domain, filled_until)
    select domain, filled_until from unnest($1::text[], $2::timestamptz[]) as g (domain, filled_until)
    on conflict (domain) do update set filled_until = excluded.filled_until
)
delete from paces where filled_until < $3::timestamptz and domain <> '' and domain <> all ($1::text[])
