-- B2, B3: an intention may end void, and an application may be stopped before anything is intended. The values are used by the next migration:
-- PostgreSQL lets nobody use them before they are committed.
alter type certificate_state add value if not exists 'stopped';
alter type certificate_state add value if not exists 'voided';
