-- Records that were released when they were read, and are parked anew by now: they stay parked, and so out of the inbox.
delete from inbox where event_id = any($1::uuid[])
