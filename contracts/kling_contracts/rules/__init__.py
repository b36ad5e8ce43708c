"""Rules: the record, the CEL profile's parser, and its compiler to closures."""
