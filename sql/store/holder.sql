-- Who holds the lock: the note in the table, and the session that the server says has it.
SELECT holder.note, locks.pid
FROM holder
JOIN pg_locks AS locks
    ON locks.locktype = 'advisory'
    AND locks.granted
    AND locks.objsubid = 2
    AND locks.classid = 1885826417
    AND locks.objid = hashtext($1)::oid
    AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
