-- Brings forward the deadlines $1 of returned cases that other registers than $2 judged: one each $6 from $3 on. Those due before $4 come soon enough.
-- A deadline that a turn holds is left out: waiting for it, among many others that are held here, could end in a deadlock.
with stale as (
    select deadlines.key, deadlines.kind
    from deadlines join cases on cases.case_id = deadlines.key
    where deadlines.kind = $1 and deadlines.at > $4
      and cases.state = 'returned' and cases.body ->> 'judged_by' is distinct from $2
    order by deadlines.at
    limit $5
    for update of deadlines skip locked
),
spread as (
    select key, kind, $3::timestamptz + $6::interval * (row_number() over ()) as at from stale
),
woken as (
    update deadlines set at = spread.at from spread
    where deadlines.key = spread.key and deadlines.kind = spread.kind
    returning 1
)
select count(*)::int from woken
