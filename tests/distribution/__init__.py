"""The schema could be distributed by `store_id` (docs/distribution.md): what of that can be shown
without Citus."""
