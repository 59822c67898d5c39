"""The vendor's one endpoint, `POST /headshots/tasks`: request bodies, responses, the HTTP client and its errors."""
