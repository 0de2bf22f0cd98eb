-- transactional: false
-- What is to be erased (E3) is found each night without reading all certificates. A row leaves the index once it is erased; signing touches none of its
-- columns.
set statement_timeout = 0;
set lock_timeout = 0;
drop index concurrently if exists certificates_not_erased;
create index concurrently certificates_not_erased on certificates (not_after) where "grant" -> 'recipients' <> '[]';
