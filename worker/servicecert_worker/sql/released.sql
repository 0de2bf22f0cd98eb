-- All records of keys of which one is released, a key's in their order; a key is taken whole.
with keys as (
    select key, min(seq) as place from parked where released group by key order by place limit $1
)
select p.* from parked p join keys using (key) order by keys.place, p.seq
