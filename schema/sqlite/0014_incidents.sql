-- What kept the server from a part of its work, and until when.
CREATE TABLE incidents (
    id       BIGINT NOT NULL PRIMARY KEY,
    kind     TEXT   NOT NULL,                   -- disk_low, blobs_away, originals_away, stuck
    began_at BIGINT NOT NULL,
    ended_at BIGINT                             -- NULL = it lasts
);
CREATE INDEX incidents_open ON incidents (kind) WHERE ended_at IS NULL;
