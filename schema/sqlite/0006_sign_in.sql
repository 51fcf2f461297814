-- Who signs in to the pages. A secret that a visitor holds (cookie, link) is kept as its SHA-256 only: whoever reads the
-- catalogue cannot use it.

-- Those who work for the shop; customers have their upload accounts.
CREATE TABLE users (
    id            BIGINT NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    role          TEXT   NOT NULL,              -- support | operator
    password_hash TEXT   NOT NULL,              -- argon2id, PHC string
    disabled      BIGINT NOT NULL DEFAULT 0,    -- 1 = may not sign in
    created_at    BIGINT NOT NULL
);

-- At most one of customer and user is set; neither is the operator who brought the token that the server printed.
CREATE TABLE sessions (
    hash       BLOB   NOT NULL PRIMARY KEY,     -- SHA-256 of what the cookie holds
    customer   BIGINT REFERENCES customers (id),
    user_id    BIGINT REFERENCES users (id),
    created_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL
);
CREATE INDEX sessions_by_customer ON sessions (customer);
CREATE INDEX sessions_by_user ON sessions (user_id);

-- Addresses that open one customer's pages, once.
CREATE TABLE sign_in_links (
    hash       BLOB   NOT NULL PRIMARY KEY,     -- SHA-256 of what the address holds
    customer   BIGINT NOT NULL REFERENCES customers (id),
    created_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL
);
CREATE INDEX sign_in_links_by_customer ON sign_in_links (customer);
