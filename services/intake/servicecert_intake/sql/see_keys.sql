-- Records keys as seen, in the order of their locks, and says what is known of each. The rows stay locked until the turn is committed.
INSERT INTO keys (key_sha256, rsa_spki)
SELECT seen.key_sha256, seen.rsa_spki
FROM unnest($1::text[], $2::bytea[]) AS seen (key_sha256, rsa_spki)
ORDER BY seen.key_sha256
ON CONFLICT (key_sha256) DO UPDATE SET seen_at = now()
RETURNING key_sha256, business_id, blocked
