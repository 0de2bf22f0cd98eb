-- A result is added to its intent in the same page: the log then has the result alone, and no index is touched.
alter table intents set (fillfactor = 50);
