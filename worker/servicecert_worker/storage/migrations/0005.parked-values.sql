-- Whether a parked record's headers and value are here. Beyond the most, they are only in the topic that it came by, at its offset (F5).
alter table parked add column kept boolean not null default true;
create index parked_kept on parked (seq) where kept;
