-- CRLs list their entries in the order of the serial numbers: as numbers, so that one reading can be compared with another without sorting. The
-- indexes hold all that a CRL is made of, so that a million entries are read in one pass, whatever order they came in.
alter table revocations add column octets bytea not null generated always as (decode(lpad(serial, 40, '0'), 'hex')) stored;
create unique index revocations_full on revocations (issuer, octets) include (partition, not_after, entry);
create index revocations_partition on revocations (issuer, partition, octets) include (not_after, entry);

-- The sum of the serial numbers that a published CRL lists: with their count it tells whether the partitions together are the full one.
alter table crls add column serial_sum numeric(60) check (serial_sum >= 0);

-- A publisher that was asleep while another published a later CRL cannot record its own.
create or replace function crls_once() returns trigger language plpgsql as $$
begin
    if old.published_at is not null
       or (new.issuer, new.partition, new.number, new.scheduled) <> (old.issuer, old.partition, old.number, old.scheduled)
    then
        raise exception 'CRL % of % is recorded once', old.number, old.issuer using errcode = 'check_violation';
    end if;
    if exists (select from crls where issuer = new.issuer and partition = new.partition and number > new.number and published_at is not null) then
        raise exception 'CRL % of % comes too late', new.number, new.issuer using errcode = 'check_violation';
    end if;
    return new;
end $$;

create index crls_scheduled on crls (issuer, this_update) where partition = 0 and scheduled;
