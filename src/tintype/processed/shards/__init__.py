"""What shards are made of: which file goes into which, in what order, under what key, and how each kind is written."""
