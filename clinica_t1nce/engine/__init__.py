"""Nipype machinery that knows no image."""
