-- A result, a deadline or a released record counts only if its row is deleted here; and which of the keys have parked records before them.
with result as (delete from intents where id = any($1::uuid[]) returning id),
due as (delete from deadlines where id = any($2::uuid[]) returning id),
released as (delete from parked where event_id = any($3::uuid[]) returning event_id)
select 'claimed' as what, id::text as name from result
union all select 'claimed', id::text from due
union all select 'claimed', event_id::text from released
union all select 'parked', key from parked where key = any($4::text[]) and event_id <> all($3::uuid[])
