"""Clinica pipelines, one folder each."""
