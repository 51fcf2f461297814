-- Programs of the shop that are told of each original that is put back or taken away.

CREATE TABLE webhooks (
    name         TEXT   NOT NULL PRIMARY KEY,
    url          TEXT   NOT NULL,
    secret       TEXT   NOT NULL,               -- what deliveries are signed with; both sides know it, so no digest will do
    created_at   BIGINT NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,     -- failed ones in a row
    retry_at     BIGINT NOT NULL DEFAULT 0,     -- nothing is sent before
    last_error   TEXT,                          -- of the last attempt, in words; NULL = it went well
    delivered    BIGINT NOT NULL DEFAULT 0,     -- how many in all
    delivered_at BIGINT                         -- the last one
);

-- What is still to be delivered, written in the commit that it is about. A row goes when the other side has taken it.
CREATE TABLE outbox (
    id         BIGINT NOT NULL PRIMARY KEY,
    webhook    TEXT   NOT NULL REFERENCES webhooks (name),
    record     BIGINT NOT NULL REFERENCES records (id),
    event      TEXT   NOT NULL,                 -- reattached, detached
    body       TEXT   NOT NULL,                 -- JSON, as it is sent
    created_at BIGINT NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    retry_at   BIGINT NOT NULL DEFAULT 0,
    last_error TEXT
);
-- A record's deliveries to one program go in their order.
CREATE UNIQUE INDEX outbox_in_order ON outbox (webhook, record, id);
CREATE INDEX outbox_by_webhook ON outbox (webhook, id);
