-- The notices of the given cases, in the order in which they came.
select id, case_id, mail_id, wanted, text, at, address from notices where case_id = any ($1::uuid[]) order by at, id
