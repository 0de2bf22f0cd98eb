-- The discarded events count as handled; what waited behind them goes on.
with gone as (
    delete from parked where culprit and event_id = any($1::uuid[])
    returning event_id, key, topic, partition, "offset", type, reason
),
handled as (
    insert into inbox (event_id) select event_id from gone on conflict do nothing
),
freed as (
    update parked set released = true
    where key in (select key from gone) and event_id not in (select event_id from gone)
)
select event_id, key, topic, partition, "offset", type, reason from gone
