select id, topic, key, event_id, type, traceparent, at, payload from outbox order by id limit $1
