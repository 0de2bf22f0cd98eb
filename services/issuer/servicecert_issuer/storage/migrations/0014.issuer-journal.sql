-- What of the issuer is in the journal.
-- In the order in which turns lock them, so that neither waits for the other.
lock table blocked_keys, unwanted, certificates, key_owners, rechecks, recheck_findings in share row exclusive mode;

do $$ begin
    perform keep_in_journal('certificates', 'key', '{key}');
    perform keep_in_journal('unwanted', 'unwanted', '{key}');
    perform keep_in_journal('blocked_keys', 'blocked_keys', '{key_sha256}');
    perform keep_in_journal('key_owners', 'key_owners', '{key_sha256}');
    perform keep_in_journal('rechecks', 'rechecks', '{id}');
    perform keep_in_journal('recheck_findings', 'recheck_findings', '{recheck,key}');
end $$;
