-- E3: the planner keeps samples of a column's values until the table is analysed again, also of rows that were erased meanwhile. It needs none of these.
alter table outbox alter column payload set statistics 0;
alter table intents alter column data set statistics 0, alter column result set statistics 0;
alter table parked
    alter column record_key set statistics 0, alter column headers set statistics 0, alter column value set statistics 0;
alter table audit alter column salt set statistics 0;
