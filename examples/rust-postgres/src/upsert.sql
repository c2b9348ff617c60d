-- One statement: PostgreSQL locks the order's row before it compares, so no writer can slip in between.
INSERT INTO orders_now (connection, order_id, revision, status, created_at, recorded_at, body)
SELECT $1::text, (o ->> 'id')::bigint, $2::bigint, o ->> 'status', (o ->> 'created_at')::timestamptz,
       $3::text::timestamptz, o
FROM (SELECT $4::text::jsonb AS o) AS event
ON CONFLICT (connection, order_id) DO UPDATE
SET revision = excluded.revision, status = excluded.status, created_at = excluded.created_at,
    recorded_at = excluded.recorded_at, body = excluded.body
WHERE orders_now.revision < excluded.revision
