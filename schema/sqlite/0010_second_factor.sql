-- A second factor for those who work for the shop: the secret that their app makes codes from.
ALTER TABLE users ADD COLUMN totp_secret BLOB;                      -- NULL = a password is enough
ALTER TABLE users ADD COLUMN totp_used BIGINT NOT NULL DEFAULT 0;   -- the step of the last code used; none works twice
