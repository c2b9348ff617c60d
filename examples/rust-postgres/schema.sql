-- Run once, by the owner of the database. The function may then read and write this table, and nothing else.
CREATE TABLE IF NOT EXISTS orders_now (
    connection  text        NOT NULL,
    order_id    bigint      NOT NULL,
    revision    bigint      NOT NULL,
    status      text,
    created_at  timestamptz,
    recorded_at timestamptz NOT NULL,
    -- The whole order, personal data included.
    body        jsonb       NOT NULL,
    PRIMARY KEY (connection, order_id)
);

-- GRANT SELECT, INSERT, UPDATE ON orders_now TO orders_now_writer;
