-- Up to which record of the spool's journal the rows of received files stand here: those behind it are added at the next start.
CREATE TABLE spool_journal (
    node    TEXT   NOT NULL PRIMARY KEY,
    applied BIGINT NOT NULL                     -- number of a record
);
