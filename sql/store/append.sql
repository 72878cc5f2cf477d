-- One record, if the lock is still ours: a later holder has another epoch, and waits for this row while we write.
WITH held AS MATERIALIZED (SELECT epoch FROM holder WHERE epoch = $1 FOR SHARE)
INSERT INTO journal (run, position, line)
SELECT $2, (SELECT coalesce(max(position), 0) + 1 FROM journal WHERE run = $2), $3
FROM held
