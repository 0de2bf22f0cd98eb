-- The hashes come sorted.
select pg_advisory_xact_lock(hash) from unnest($1::bigint[]) as hash
