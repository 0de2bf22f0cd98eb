-- Everything in which the certificates and the audit differ, a row for each (B6): what it is, and of which case.
with told as materialized (
    select key, case when entry is json then entry::jsonb end as entry from audit where entry like '%"sign"%'
),
intended as materialized (
    select key, act ->> 'id' as id, act #>> '{facts,issuer}' as issuer, act #>> '{facts,tbs_sha256}' as tbs_sha256
    from told, jsonb_path_query(entry, '$.intents[*] ? (@.kind == "sign")') as act
),
signed as materialized (
    select key, entry #>> '{happened,id}' as id, entry #>> '{happened,facts,fingerprint}' as fingerprint
    from told where entry #>> '{happened,result}' = 'sign' and entry #>> '{happened,facts,fingerprint}' is not null
),
kept as materialized (
    select key, issuer, encode(sha256(tbs), 'hex') as tbs_sha256, encode(sha256(certificate), 'hex') as fingerprint
    from certificates where serial is not null
)
select 'not-audited' as what, key, 'has a serial number, and the audit does not tell that it was intended' as words
from (select key, issuer, tbs_sha256 from kept except select key, issuer, tbs_sha256 from intended) as it
union all
select 'gone', key, 'was intended as the audit tells, and its certificate is gone or another'
from (select key, issuer, tbs_sha256 from intended except select key, issuer, tbs_sha256 from kept) as it
union all
select 'end-not-audited', key, 'is issued, and the audit does not tell of its signature'
from (select key, fingerprint from kept where fingerprint is not null except select key, fingerprint from signed) as it
union all
select 'not-decided', key, 'was signed, and the audit does not tell that it was intended'
from (select key, id from signed except select key, id from intended) as it
order by 1, 2
