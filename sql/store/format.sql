-- The format of the store's tables.
SELECT format FROM holder
