grant select, insert, update, delete on tally to {service};
grant select, delete on tally to {eraser};
grant select on tally to {operators}, {readers};
