-- Programs of the shop: what they may ask for. A token is kept as its SHA-256 only: whoever reads the catalogue cannot use it.
CREATE TABLE tokens (
    name       TEXT   NOT NULL PRIMARY KEY,
    hash       BLOB   NOT NULL UNIQUE,          -- SHA-256 of what the program brings
    scopes     TEXT   NOT NULL,                 -- words with spaces between them: read, originals, decide, metrics, embed
    created_at BIGINT NOT NULL
);

-- What stands, by what proved it, without looking at the rows themselves.
CREATE INDEX attachments_by_method ON attachments (state, method);
-- What was given up, of all customers.
CREATE INDEX records_retired ON records (customer) WHERE retired_at IS NOT NULL;
-- A page of what stands of a customer's, from one id on.
CREATE INDEX attachments_in_order ON attachments (customer, id);
