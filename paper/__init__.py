"""Floor 5: figures and tables, one file each, drawn from finished runs."""
