select count(*) filter (where confirmed_by is null and kind <> 'cascade') as unconfirmed,
       count(*) filter (where confirmed_by is null and kind = 'cascade') as stopped,
       count(*) filter (where confirmed_by is not null) as running
from proposals where done_at is null and dropped_by is null
