"""What is trained: networks, their losses and their optimisers."""
