select key, issuer, application ->> 'type' as type,
       (select string_agg(found, ', ') from jsonb_array_elements_text(findings) as found) as findings, begun_at as since
from certificates where application is not null and ($1::text is null or key = $1) order by begun_at
