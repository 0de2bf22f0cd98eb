-- When the stopped applications were stopped, for those who may not read what they contain: by the index of the few that there are.
create view stopped_since as select key, begun_at from certificates where application is not null;
