-- Cases, and the guard of their transitions: a test compares it with ALLOWED_TRANSITIONS in tests/services/intake/steps.py.

CREATE TYPE case_state AS ENUM (
    'submitted',
    'waiting-for-csr',
    'returned',
    'accepted',
    'issued',
    'delivered',
    'lapsed',
    'withdrawn',
    'refused',
    'revocation-requested',
    'revoked'
);

CREATE TABLE cases (
    case_id text PRIMARY KEY CHECK (case_id = body ->> 'case_id'),
    version bigint NOT NULL CHECK (version > 0),
    state case_state NOT NULL,
    account_id text NOT NULL,
    body jsonb NOT NULL,
    -- Generated from the body, so that it is always right.
    serial text GENERATED ALWAYS AS (body -> 'certificate' ->> 'serial') STORED,
    CHECK (state NOT IN ('issued', 'delivered') OR body -> 'certificate' <> 'null'),
    CHECK (state NOT IN ('revocation-requested', 'revoked') OR body -> 'revocation' <> 'null'),
    CHECK (state <> 'accepted' OR body -> 'decision' <> 'null'),
    CHECK (state <> 'returned' OR jsonb_array_length(body -> 'deficiencies') > 0)
) WITH (toast_tuple_target = 8160); -- A body of some kilobytes stays in the row: it is read and written whole each time.

CREATE INDEX cases_of_account ON cases (account_id);
-- A certificate belongs to one case, and is found by its serial number (A14).
CREATE UNIQUE INDEX one_case_of_certificate ON cases (serial) WHERE serial IS NOT NULL;
-- The cases whose clock runs are few among all: they are counted at each scrape (E2).
CREATE INDEX cases_of_running_clocks ON cases (state) WHERE state IN ('submitted', 'waiting-for-csr', 'returned', 'accepted', 'issued');

CREATE FUNCTION refuse_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a case cannot step from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
END
$$;

-- An application that is accepted can still be withdrawn, as long as nothing is signed (A15).
CREATE TRIGGER no_step_back BEFORE UPDATE OF state ON cases FOR EACH ROW
WHEN (
    OLD.state <> NEW.state AND NOT CASE OLD.state
        WHEN 'submitted' THEN true
        WHEN 'waiting-for-csr' THEN NEW.state <> 'submitted'
        WHEN 'returned' THEN NEW.state <> 'submitted'
        WHEN 'accepted' THEN NEW.state IN ('issued', 'delivered', 'revocation-requested', 'revoked', 'refused', 'withdrawn')
        WHEN 'lapsed' THEN NEW.state IN ('issued', 'delivered', 'revocation-requested', 'revoked', 'refused')
        WHEN 'withdrawn' THEN NEW.state IN ('issued', 'delivered', 'revocation-requested', 'revoked', 'refused')
        WHEN 'refused' THEN NEW.state IN ('issued', 'delivered', 'revocation-requested', 'revoked')
        WHEN 'issued' THEN NEW.state IN ('delivered', 'revocation-requested', 'revoked')
        WHEN 'delivered' THEN NEW.state IN ('revocation-requested', 'revoked')
        WHEN 'revocation-requested' THEN NEW.state = 'revoked'
        ELSE false
    END
)
EXECUTE FUNCTION refuse_step();

-- Every key of any application: its owner, from the first acceptance on, and whether it is blocked (A4). A row is written when the key is
-- seen, and never deleted; its lock keeps two organisations from the same key.
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
