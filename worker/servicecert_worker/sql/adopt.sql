update intents set owner = $1
where id in (select id from intents where owner = $2 order by since, id limit $3 for update skip locked)
returning id, key, kind, data, traceparent, since
