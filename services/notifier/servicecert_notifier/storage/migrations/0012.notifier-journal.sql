-- What of the notifier is in the journal.
-- In the order in which turns lock them, so that neither waits for the other.
lock table paces, pace_minutes, notices, ledgers, mails, orders in share row exclusive mode;

do $$ begin
    perform keep_in_journal('ledgers', 'key', '{case_id}');
    perform keep_in_journal('mails', 'key', '{case_id}');
    perform keep_in_journal('orders', 'orders', '{mail_id}');
    perform keep_in_journal('notices', 'notices', '{id}');
    perform keep_in_journal('paces', 'paces', '{domain}');
    perform keep_in_journal('pace_minutes', 'pace_minutes', '{minute}');
end $$;
