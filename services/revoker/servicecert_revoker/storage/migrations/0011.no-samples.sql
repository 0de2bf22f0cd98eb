-- E3: the planner keeps no samples of what is erased; see the worker's migration of this name.
alter table statuses
    alter column certificate set statistics 0, alter column asked set statistics 0, alter column requesters set statistics 0;
