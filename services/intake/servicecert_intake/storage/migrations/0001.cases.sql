-- Cases, and the guard of their steps: `case.STEPS` says the same, and a test holds the two together.

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
    CHECK (state NOT IN ('issued', 'delivered') OR body -> 'certificate' <> 'null'),
    CHECK (state NOT IN ('revocation-requested', 'revoked') OR body -> 'revocation' <> 'null'),
    CHECK (state <> 'accepted' OR body -> 'decision' <> 'null'),
    CHECK (state <> 'returned' OR jsonb_array_length(body -> 'deficiencies') > 0)
) WITH (toast_tuple_target = 8160); -- A body of some kilobytes stays in the row: it is read and written whole each time.

CREATE INDEX cases_of_account ON cases (account_id);

CREATE FUNCTION refuse_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a case cannot step from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
END
$$;

CREATE TRIGGER no_step_back BEFORE UPDATE OF state ON cases FOR EACH ROW
WHEN (
    OLD.state <> NEW.state AND NOT CASE OLD.state
        WHEN 'submitted' THEN true
        WHEN 'waiting-for-csr' THEN NEW.state <> 'submitted'
        WHEN 'returned' THEN NEW.state <> 'submitted'
        WHEN 'accepted' THEN NEW.state IN ('issued', 'delivered', 'revocation-requested', 'revoked', 'refused')
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
