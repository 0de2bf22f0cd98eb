-- The last offset of what is parked as one: the rest of a batch that cannot be read, or much junk of a partition (F5).
alter table parked add column last_offset bigint;
