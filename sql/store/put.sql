-- Replaces a document, if the lock is still ours.
WITH held AS MATERIALIZED (SELECT epoch FROM holder WHERE epoch = $1 FOR SHARE)
INSERT INTO document (name, content)
SELECT $2, $3
FROM held
ON CONFLICT (name) DO UPDATE SET content = excluded.content
