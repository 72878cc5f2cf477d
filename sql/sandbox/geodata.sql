-- The application's data before the migration: one password role owns everything in schemas geo and app.
-- Runs in database geopgflex in one transaction until the seeding is complete; the owner comes as a setting.

DO $$
BEGIN
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS geo AUTHORIZATION %I', current_setting('sandbox.app_login'));
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION %I', current_setting('sandbox.app_login'));
    EXECUTE format('SET ROLE %I', current_setting('sandbox.app_login'));
END
$$;

CREATE TABLE IF NOT EXISTS geo.collections (
    id          text PRIMARY KEY,
    title       text NOT NULL,
    license     text NOT NULL DEFAULT 'CC-BY-4.0'
);

CREATE TABLE IF NOT EXISTS geo.features (
    id            bigserial PRIMARY KEY,
    collection_id text NOT NULL REFERENCES geo.collections,
    name          text NOT NULL,
    longitude     double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    latitude      double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    properties    jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS geo.tiles (
    zoom    integer NOT NULL,
    x       integer NOT NULL,
    y       integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (zoom, x, y)
);

CREATE OR REPLACE VIEW geo.extents AS
SELECT collection_id, min(longitude) AS west, min(latitude) AS south, max(longitude) AS east, max(latitude) AS north
FROM geo.features GROUP BY collection_id;

CREATE OR REPLACE FUNCTION geo.features_in(west float8, south float8, east float8, north float8)
RETURNS SETOF geo.features LANGUAGE sql STABLE AS $$
    SELECT * FROM geo.features WHERE longitude BETWEEN west AND east AND latitude BETWEEN south AND north ORDER BY id
$$;

DO $$
BEGIN
    IF to_regtype('app.job_status') IS NULL THEN
        CREATE TYPE app.job_status AS ENUM ('queued', 'processing', 'completed', 'failed');
    END IF;
END
$$;

CREATE SEQUENCE IF NOT EXISTS app.job_numbers;

CREATE TABLE IF NOT EXISTS app.jobs (
    job_id     text PRIMARY KEY DEFAULT 'job-' || nextval('app.job_numbers'),
    job_type   text NOT NULL,
    status     app.job_status NOT NULL DEFAULT 'queued',
    parameters jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS app.tasks (
    task_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id    text NOT NULL REFERENCES app.jobs,
    stage     integer NOT NULL DEFAULT 1,
    status    app.job_status NOT NULL DEFAULT 'queued',
    result    jsonb
);

CREATE OR REPLACE FUNCTION app.submit_job(job_type text, parameters jsonb) RETURNS text LANGUAGE sql AS $$
    WITH job AS (
        INSERT INTO app.jobs (job_type, parameters) VALUES ($1, $2) RETURNING job_id
    ), task AS (
        INSERT INTO app.tasks (job_id) SELECT job_id FROM job
    )
    SELECT job_id FROM job
$$;

CREATE OR REPLACE FUNCTION app.job_counts() RETURNS TABLE (status app.job_status, jobs bigint)
LANGUAGE sql STABLE AS $$
    SELECT status, count(*) FROM app.jobs GROUP BY status ORDER BY status
$$;

-- Not everybody may run these two, so that a migration that forgets the functions is noticed.
REVOKE EXECUTE ON FUNCTION app.submit_job(text, jsonb), app.job_counts() FROM PUBLIC;

INSERT INTO geo.collections (id, title) VALUES
    ('capitals', 'Capital cities'),
    ('summits', 'High summits')
ON CONFLICT DO NOTHING;

INSERT INTO geo.features (collection_id, name, longitude, latitude, properties)
SELECT collection_id, name, longitude, latitude, properties::jsonb
FROM (VALUES
    ('capitals', 'Washington', -77.04, 38.91, '{"country": "US"}'),
    ('capitals', 'Ottawa', -75.70, 45.42, '{"country": "CA"}'),
    ('capitals', 'Nairobi', 36.82, -1.29, '{"country": "KE"}'),
    ('capitals', 'Canberra', 149.13, -35.28, '{"country": "AU"}'),
    ('summits', 'Denali', -151.01, 63.07, '{"metres": 6190}'),
    ('summits', 'Aconcagua', -70.01, -32.65, '{"metres": 6961}')
) AS rows (collection_id, name, longitude, latitude, properties)
WHERE NOT EXISTS (SELECT FROM geo.features);

INSERT INTO app.jobs (job_id, job_type, status) VALUES
    ('job-hello', 'hello_world', 'completed'),
    ('job-ingest', 'ingest_features', 'completed'),
    ('job-tiles', 'render_tiles', 'processing')
ON CONFLICT DO NOTHING;

INSERT INTO app.tasks (job_id, stage, status)
SELECT job_id, stage, status::app.job_status
FROM (VALUES
    ('job-hello', 1, 'completed'),
    ('job-ingest', 1, 'completed'),
    ('job-ingest', 2, 'completed'),
    ('job-tiles', 1, 'processing')
) AS rows (job_id, stage, status)
WHERE NOT EXISTS (SELECT FROM app.tasks);

RESET ROLE;
