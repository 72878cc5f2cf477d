-- The records of one run.
SELECT line FROM journal WHERE run = $1 ORDER BY position
