-- The cases whose clock runs are few among all: they are counted at each scrape (E2).
CREATE INDEX cases_of_running_clocks ON cases (state) WHERE state IN ('submitted', 'waiting-for-csr', 'returned', 'accepted', 'issued');
