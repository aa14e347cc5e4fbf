"""What a split is made of: which part each file gets, by what rule, under what name, and what leaks."""
