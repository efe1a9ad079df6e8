"""Arrays and affines."""
