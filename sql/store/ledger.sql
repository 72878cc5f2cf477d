-- The lines of evidence.
SELECT line FROM ledger ORDER BY position
