"""The service over HTTP: connections, bodies, batches, search, and what other servers' clients send."""
