-- The partitions' CRLs of a pass have the number of its full one.
insert into crls (issuer, partition, number, scheduled) select $1, partition, $3, $4 from unnest($2::int[]) as n (partition)
