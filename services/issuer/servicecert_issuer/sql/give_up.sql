insert into unwanted (key, reason)
select c.key, $2 from certificates c join intents i on i.key = c.key and i.kind = 'sign'
where c.key = $1 and c.state = 'intended' and i.since < now() - $3::interval
on conflict (key) do update set reason = excluded.reason
returning true
