-- Blocks keys for a shared prime, those that are not blocked for something else, and says which were not blocked before.
WITH fresh AS (SELECT key_sha256 FROM keys WHERE key_sha256 = ANY ($1::text[]) AND blocked IS NULL ORDER BY key_sha256 FOR UPDATE)
UPDATE keys SET blocked = 'shared-prime' FROM fresh WHERE keys.key_sha256 = fresh.key_sha256 RETURNING keys.key_sha256
