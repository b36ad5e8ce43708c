"""The formats on the wire: envelope, task JSON, file URLs, headers, and the texts about an exchange."""
