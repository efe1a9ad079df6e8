"""Arrays with their affines: grids, conventions of coordinates, intensities."""
