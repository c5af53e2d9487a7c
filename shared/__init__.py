"""What every service shares: contracts, messaging, database, objects, and how a process runs."""
