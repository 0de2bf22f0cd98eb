-- A result, a deadline or a released record counts only if its row is deleted here, as it was read; and which of the keys have parked records,
-- and from which place on.
with result as (delete from intents where id = any($1::uuid[]) returning id),
due as (delete from deadlines where id = any($2::uuid[]) returning id),
released as (
    delete from parked using unnest($3::bigint[], $4::int[]) as r (seq, attempts)
    where parked.seq = r.seq and parked.attempts = r.attempts
    returning parked.seq, parked.event_id
)
select id::text as claimed, null::text as key, null::bigint as first from result
union all select id::text, null, null from due
union all select event_id::text, null, null from released
union all
select null, key, min(seq) from parked
where key = any($5::text[]) and seq not in (select seq from released)
group by key
