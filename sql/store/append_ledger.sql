-- One line of evidence, if the lock is still ours.
WITH held AS MATERIALIZED (SELECT epoch FROM holder WHERE epoch = $1 FOR SHARE)
INSERT INTO ledger (position, line)
SELECT (SELECT coalesce(max(position), 0) + 1 FROM ledger), $2
FROM held
