-- E3: what the worker keeps of a key that may hold a person's data: parked records, and the salts without which a digest of the audit says nothing.
with parked as (delete from parked where key = $1),
woken as (delete from deadlines where key = $1)
update audit set salt = null where key = $1 and salt is not null
