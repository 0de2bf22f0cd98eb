-- Whose the keys are and which are blocked. What is known already stays.
INSERT INTO keys (key_sha256, business_id, blocked)
SELECT kept.key_sha256, kept.business_id, kept.blocked
FROM unnest($1::text[], $2::text[], $3::text[]) AS kept (key_sha256, business_id, blocked)
ORDER BY kept.key_sha256
ON CONFLICT (key_sha256) DO UPDATE
SET business_id = coalesce(keys.business_id, excluded.business_id), blocked = coalesce(excluded.blocked, keys.blocked)
WHERE (keys.business_id IS NULL AND excluded.business_id IS NOT NULL)
   OR (excluded.blocked IS NOT NULL AND keys.blocked IS DISTINCT FROM excluded.blocked)
