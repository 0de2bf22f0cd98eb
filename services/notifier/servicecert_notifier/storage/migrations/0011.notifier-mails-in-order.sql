-- transactional: false
-- The newest mails, and those that mail servers refused since a moment (C3), without reading all mails.
set statement_timeout = 0;
set lock_timeout = 0;
drop index concurrently if exists mails_newest;
create index concurrently mails_newest on mails (planned_at);
drop index concurrently if exists mails_refused;
create index concurrently mails_refused on mails (settled_at) where state = 'refused';
drop index concurrently if exists mails_planned;
