"""The backend ``local``: this database is the platform."""
