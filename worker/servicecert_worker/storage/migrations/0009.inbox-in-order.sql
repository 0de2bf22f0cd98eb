-- transactional: false
-- The oldest ids of the inbox are found in order. A BRIN index never narrows: once old rows were deleted all over the table, each range of pages seems
-- to have old ones, and each look for them reads the whole table.
set statement_timeout = 0;
set lock_timeout = 0;
drop index concurrently if exists inbox_oldest;
create index concurrently inbox_oldest on inbox (at);
drop index concurrently if exists inbox_at;
-- What is deleted stays in the index until it is vacuumed, before the ids that are looked for: by default that is once a fifth of the table is dead.
alter table inbox set (autovacuum_vacuum_scale_factor = 0.02);
