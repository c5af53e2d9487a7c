"""Rollups: totals of a register by bucket of time and by columns, exact at any moment.

The recorder folds new items into them, the aggregator reads them together with the items that are
not folded yet, the command line checks and rebuilds them. `docs/rollups.md` says why it is so.
"""
