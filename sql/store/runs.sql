-- The runs, oldest first: an id begins with its time.
SELECT run FROM journal GROUP BY run ORDER BY run COLLATE "C"
