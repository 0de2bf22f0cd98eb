select refusal as code, count(*) as count from certificates where state = 'refused' group by refusal order by count(*) desc, refusal
