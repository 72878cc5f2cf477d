-- Whether logins are logged: on or off, from PostgreSQL 18 on also a list of what is.
SELECT current_setting('log_connections') AS setting
