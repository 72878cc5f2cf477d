-- Whether the schema has a store.
SELECT to_regclass(quote_ident($1) || '.holder') IS NOT NULL AS made
