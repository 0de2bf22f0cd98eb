-- Asked for again and again: a session that waited for the lock would hold back vacuum.
select pg_try_advisory_lock($1, hashtext($2))
