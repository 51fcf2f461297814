-- Files that browsers are sending: what goes on with one in a later request, or after a restart, has to know.
CREATE TABLE browser_transfers (
    id         BIGINT NOT NULL PRIMARY KEY,
    customer   BIGINT NOT NULL REFERENCES customers (id),
    path       BLOB   NOT NULL,                 -- where the file is to go, without a leading slash
    length     BIGINT NOT NULL,                 -- of the whole file, as the browser said
    mtime      BIGINT,                          -- as the browser said
    metadata   TEXT   NOT NULL,                 -- the header that it was begun with, which is given back
    spool_file TEXT,                            -- where its bytes are, once there are any; `partials` has the row
    upload     BIGINT REFERENCES uploads (id),  -- once it is whole
    touched_at BIGINT NOT NULL
);
CREATE INDEX browser_transfers_of_customer ON browser_transfers (customer, path);
CREATE INDEX browser_transfers_by_time ON browser_transfers (touched_at);
