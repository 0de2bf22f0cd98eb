grant select, insert, update, delete on tally to {service};
grant select on tally to {operators}, {readers};
