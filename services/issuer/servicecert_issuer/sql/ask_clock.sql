select clock_timestamp() as now, (select max(begun_at) from certificates) as last
