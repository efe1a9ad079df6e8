"""Pictures of what was done to an image."""
