-- The mail server that answered last, as host:port, and since when it has refused the mail in a way that may be about us (C3).
alter table mails add column relay text check (length(relay) <= 270), add column refused_since timestamptz;
