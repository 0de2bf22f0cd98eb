select key, version, state::text as state, issuer, serial, tbs, profile, profile_version, partition, not_before, not_after, key_sha256,
       business_id, sign_by, "grant"::text as "grant", certificate, refusal, application::text as application, findings::text as findings
from certificates where key = any($1::text[])
