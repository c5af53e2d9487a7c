"""The edge: one module for each family of calls. A handler reads, asks, and answers."""
