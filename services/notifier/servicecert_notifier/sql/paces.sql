-- What was given out: to these domains, and in the minutes to come.
select domain, null::timestamptz as minute, filled_until, null::int as mails from paces where domain = any ($1::text[])
union all
select null, minute, null, mails from pace_minutes where minute > $2::timestamptz - interval '1 minute'
