-- Sorted, so that two workers with overlapping batches wait for each other instead of deadlocking.
insert into inbox (event_id)
select id from unnest($1::uuid[]) as id order by id
on conflict do nothing
returning event_id
