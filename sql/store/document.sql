-- One document.
SELECT content FROM document WHERE name = $1
