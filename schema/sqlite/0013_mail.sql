-- Mail to customers: what there is to know about each, on their row.
ALTER TABLE customers ADD COLUMN mail_address TEXT;                     -- NULL = none is sent
ALTER TABLE customers ADD COLUMN mail_language TEXT NOT NULL DEFAULT 'en';  -- en, de
ALTER TABLE customers ADD COLUMN mail_off BIGINT NOT NULL DEFAULT 0;    -- 1 = the customer wants none
ALTER TABLE customers ADD COLUMN mail_key TEXT;                         -- in the address that switches it; opens nothing else
ALTER TABLE customers ADD COLUMN mail_since BIGINT;                     -- what happened before is nothing new
ALTER TABLE customers ADD COLUMN mailed_at BIGINT;                      -- the last one; set before it is sent, so that none is sent twice
ALTER TABLE customers ADD COLUMN mail_error TEXT;                       -- why the last attempt failed, in words
CREATE INDEX customers_by_mail_key ON customers (mail_key) WHERE mail_key IS NOT NULL;
