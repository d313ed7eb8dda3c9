"""Tests: contracts of the stores, units, architecture, faults, security, service, documentation."""
