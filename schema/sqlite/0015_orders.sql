-- The shop's orders: which records each of them needs.
CREATE TABLE order_items (
    order_name TEXT   NOT NULL,                 -- the shop's own identifier of the order
    record     BIGINT NOT NULL REFERENCES records (id),
    extra      TEXT   NOT NULL DEFAULT '{}',    -- columns of the import that are not ours, given back in reports
    PRIMARY KEY (order_name, record)
);
CREATE INDEX order_items_of_record ON order_items (record);
