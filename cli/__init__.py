"""What the make targets call: run, status and digest."""
