select key_sha256 from compromised_keys where key_sha256 = any($1::text[])
