-- How far reminders are given out, to these domains and over all.
select domain, filled_until from paces where domain = '' or domain = any ($1::text[])
