update parked set released = true where culprit and event_id = any($1::uuid[])
returning event_id, key, topic, partition, "offset", type, reason
