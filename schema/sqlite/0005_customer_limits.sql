-- What one customer may, where it differs from the settings. NULL = as the settings say.
ALTER TABLE customers ADD COLUMN quota_bytes BIGINT;    -- all uploads together, each version counted
ALTER TABLE customers ADD COLUMN quota_files BIGINT;    -- uploads, each version counted
ALTER TABLE customers ADD COLUMN ftp_tls TEXT;          -- required = no sign-in over FTP without TLS
