-- Whether the role that is signed in may make schemas in this database.
SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may
