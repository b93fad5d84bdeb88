"""Put a model to work: an HTTP service for embeddings."""
