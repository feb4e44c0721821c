"""A stand-in of MOSIP eSignet 1.8.0 with the mock identity system 0.13.0 (see ../README.md)."""
