-- transactional: false
-- The cases that ended without a certificate, by their ends: what is to be erased (E3) is found each night without reading all cases.
set statement_timeout = 0;
set lock_timeout = 0;
drop index concurrently if exists cases_without_certificate;
create index concurrently cases_without_certificate on cases ((body -> 'entered' -> -1 ->> 'at') collate "C")
    where state in ('refused', 'withdrawn', 'lapsed') and serial is null;
