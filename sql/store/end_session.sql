-- Ends the session that holds the lock.
SELECT pg_terminate_backend($1) AS ended
