-- What a turn gave out. What lies in the past says nothing any more.
with kept as (
    insert into paces as p (domain, filled_until)
    select domain, filled_until from unnest($1::text[], $2::timestamptz[]) as g (domain, filled_until)
    on conflict (domain) do update set filled_until = excluded.filled_until
), counted as (
    insert into pace_minutes as m (minute, mails)
    select minute, mails from unnest($3::timestamptz[], $4::int[]) as g (minute, mails)
    on conflict (minute) do update set mails = excluded.mails
), forgotten as (
    delete from pace_minutes where minute < $5::timestamptz - interval '1 hour'
)
delete from paces where filled_until < $5::timestamptz and domain <> all ($1::text[])
