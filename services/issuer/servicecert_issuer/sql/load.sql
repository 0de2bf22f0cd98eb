select key, version, state::text as state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256,
       "grant"::text as "grant", certificate, refusal
from certificates where key = any($1::text[])
