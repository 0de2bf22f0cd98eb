select pg_advisory_xact_lock(hashtextextended(current_schema() || '/blocked/' || key_sha256, 0)) from unnest($1::text[]) as k (key_sha256)
