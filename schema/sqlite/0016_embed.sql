-- Addresses that show one customer's missing pictures inside a page of the shop, for a short while.
CREATE TABLE embed_keys (
    hash     BLOB   NOT NULL PRIMARY KEY,       -- SHA-256 of what the address holds
    customer BIGINT NOT NULL REFERENCES customers (id),
    ends_at  BIGINT NOT NULL
);
CREATE INDEX embed_keys_by_customer ON embed_keys (customer);
