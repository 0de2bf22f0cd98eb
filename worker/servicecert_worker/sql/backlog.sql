-- What is open in the service's own tables: counts, and the age in seconds of the oldest where it has one. $1 is the moment.
select (select count(*) from outbox) as outbox,
       (select coalesce(extract(epoch from $1 - min(at)), 0)::float8 from outbox) as outbox_age,
       (select count(*) from intents) as intents,
       (select coalesce(extract(epoch from $1 - min(since)), 0)::float8 from intents) as intents_age,
       (select count(*) from parked) as parked,
       (select count(*) from parked where culprit) as culprits,
       (select count(*) from deadlines where at <= $1) as overdue,
       (select coalesce(extract(epoch from $1 - min(a.at)), 0)::float8
        from audit_chains c join audit a on a.chain = c.chain and a.seq = c.attested + 1) as unattested_age
