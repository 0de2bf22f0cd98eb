-- A certificate belongs to one case, and is found by its serial number (A14). The column follows from the body, so that it is true whoever writes.
ALTER TABLE cases ADD COLUMN serial text GENERATED ALWAYS AS (body -> 'certificate' ->> 'serial') STORED;
CREATE UNIQUE INDEX one_case_of_certificate ON cases (serial) WHERE serial IS NOT NULL;

-- An application that is accepted can still be withdrawn, as long as nothing is signed (A15).
DROP TRIGGER no_step_back ON cases;
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

-- Cases from before there were clocks (A12) are looked at once.
INSERT INTO deadlines (key, kind, id, at)
SELECT case_id, 'completion/half', gen_random_uuid(), now() FROM cases WHERE state IN ('submitted', 'waiting-for-csr', 'returned');
