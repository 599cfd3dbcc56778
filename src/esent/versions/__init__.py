"""The version store: which state of a node a transaction sees, who may change it, and what undoes a change."""
