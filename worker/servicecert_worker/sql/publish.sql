-- Events into the outbox, in order.
insert into outbox (topic, key, event_id, type, payload, at)
select topic, key, event_id, type, payload, $6
from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bytea[])
    with ordinality as o (topic, key, event_id, type, payload, place)
order by place
