"""Tests of the audit log, of versions of the model beside each other, and of the page of a model."""
