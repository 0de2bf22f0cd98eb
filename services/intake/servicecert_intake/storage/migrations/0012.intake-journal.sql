-- What of intake is in the journal.
-- In the order in which turns lock them, so that neither waits for the other.
lock table account_events, keys, cases in share row exclusive mode;

do $$ begin
    perform keep_in_journal('cases', 'key', '{case_id}');
    perform keep_in_journal('keys', 'keys', '{key_sha256}');
    perform keep_in_journal('account_events', 'account_events', '{account_id,hour,stripe}');
end $$;
