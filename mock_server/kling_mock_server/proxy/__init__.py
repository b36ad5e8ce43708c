"""The proxy between a client and the service: it judges requests on the way, and records what was answered."""
