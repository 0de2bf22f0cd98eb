-- What of a turn's items counts: a result, a deadline or a released record if its row is deleted here as it was read, an event if it is new to the
-- inbox and not parked. And which of the keys have parked records, and from which place on. The keys are locked.
with result as (delete from intents where id = any($1::uuid[]) returning id),
due as (delete from deadlines where id = any($2::uuid[]) returning id),
released as (
    delete from parked using unnest($3::bigint[], $4::int[]) as r (seq, attempts)
    where parked.seq = r.seq and parked.attempts = r.attempts
    returning parked.seq, parked.event_id
),
fresh as (
    insert into inbox (event_id)
    select id from (
        select id from unnest($5::uuid[]) as id where not exists (select from parked where event_id = id)
        union
        select event_id from released
    ) as event
    order by id
    on conflict do nothing
    returning event_id
)
select id as claimed, null::text as key, null::bigint as first from result
union all select id, null, null from due
union all select event_id, null, null from fresh
union all
select null, key, min(seq) from parked
where key = any($6::text[]) and seq not in (select seq from released)
group by key
