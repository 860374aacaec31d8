"""The reader's side: results as they come, and questions to a running service."""
