"""The vendor's one endpoint, `POST /headshots/tasks`: what it takes, what it answers, and how asking can fail."""
