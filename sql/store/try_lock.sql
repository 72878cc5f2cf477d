-- The lock: an advisory lock of this session, so it is free when the session ends. 1885826417 is "pgen" in ASCII.
SELECT pg_try_advisory_lock(1885826417, hashtext($1)) AS taken
