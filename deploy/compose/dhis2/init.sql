-- DHIS2's own database and user; the extensions must be made by a superuser.
CREATE ROLE dhis LOGIN PASSWORD 'dhis';
CREATE DATABASE dhis OWNER dhis;
\c dhis postgres
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
