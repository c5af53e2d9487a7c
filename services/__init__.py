"""The four services. Each has the same spine: `__main__`, `app`, handlers, use case, detail."""
