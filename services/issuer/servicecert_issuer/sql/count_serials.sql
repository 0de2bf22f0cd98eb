select issuer,
       count(*) filter (where serial is not null) as allocated,
       count(*) filter (where state = 'issued') as issued,
       count(*) filter (where state = 'voided') as void,
       count(*) filter (where state = 'intended') as open,
       count(*) filter (where state = 'stopped') as stopped,
       max(ended_at) filter (where state = 'issued') as last_issued,
       min(begun_at) filter (where state = 'intended') as open_since
from certificates where issuer is not null
group by issuer order by issuer
