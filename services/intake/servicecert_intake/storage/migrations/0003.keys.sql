-- Every key that an application ever came with: whose it is, from its first acceptance on, and whether it is blocked (A4). A row is made when the key
-- is seen and never deleted; that two turns write it is what keeps two organisations from the same key.
CREATE TABLE keys (
    key_sha256 text PRIMARY KEY CHECK (key_sha256 ~ '^[0-9a-f]{64}$'),
    rsa_spki bytea, -- of an RSA key its SubjectPublicKeyInfo: all moduli are searched for shared primes
    business_id text,
    blocked text CHECK (blocked IN ('compromised', 'shared-prime')),
    seen_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE keys ALTER COLUMN rsa_spki SET STORAGE external;
CREATE INDEX keys_rsa ON keys (key_sha256) WHERE rsa_spki IS NOT NULL;

CREATE FUNCTION keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'whose key it is, and that it is blocked, is never taken back' USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER keys_stay BEFORE UPDATE ON keys FOR EACH ROW
WHEN ((OLD.business_id IS NOT NULL AND NEW.business_id IS DISTINCT FROM OLD.business_id) OR (OLD.blocked IS NOT NULL AND NEW.blocked IS NULL))
EXECUTE FUNCTION keep_key();
CREATE TRIGGER keys_are_never_deleted BEFORE DELETE ON keys FOR EACH ROW EXECUTE FUNCTION keep_key();
CREATE INDEX keys_blocked ON keys (blocked) WHERE blocked IS NOT NULL;
