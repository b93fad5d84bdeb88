"""The contract between the rooms: records, tables, rows, manifests, and what reads and writes them."""
