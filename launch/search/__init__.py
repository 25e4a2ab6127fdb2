"""Search by W&B's rules without W&B: hyperband, bayes, and the run folders as the record of the trials."""
