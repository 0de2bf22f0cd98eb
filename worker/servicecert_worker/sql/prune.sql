delete from inbox where ctid = any(array(select ctid from inbox where at < now() - $1::interval limit 5000))
