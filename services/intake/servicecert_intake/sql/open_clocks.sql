-- The clocks that run (`clocks.clock_of`): how many of each kind, and the moment from which the one that ends first is reckoned.
SELECT 'completion' AS kind, count(*) AS open, min((body -> 'entered' -> 0 ->> 'at')::timestamptz) AS first
FROM cases
WHERE state IN ('submitted', 'waiting-for-csr', 'returned')
UNION ALL
SELECT 'delivery', count(*), min((body ->> 'due')::timestamptz)
FROM cases
WHERE state IN ('accepted', 'issued') AND body ->> 'due' IS NOT NULL
