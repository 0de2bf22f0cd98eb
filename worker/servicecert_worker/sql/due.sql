-- Read without locks: the turn that handles one claims it.
select id, key, kind, at, traceparent from deadlines where at <= $1 order by at limit $2
