-- The intents of an owner that are not among those in its hands, oldest first.
select id, key, kind, data, traceparent, since from intents where owner = $1 and id <> all($2::uuid[]) order by since, id
