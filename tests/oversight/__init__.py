"""Tests of the audit log, and of versions of the model beside each other."""
