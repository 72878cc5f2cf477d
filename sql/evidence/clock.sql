-- The server's clock, in microseconds since 1970. Not now(): that is the time at which the transaction began.
SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8 AS now
