-- A result is added to its intent in the same page, if two such rows fit in it: the log then has the result alone, and no index is touched. Mails of
-- certificates with P-384 keys fit, those with RSA keys do not.
alter table intents set (fillfactor = 50);
