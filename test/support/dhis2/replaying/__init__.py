"""The replay of recorded DHIS2 answers against the stand-in; started by ../replay.py."""
