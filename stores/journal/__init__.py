"""A journal on this machine before a chat store elsewhere: acknowledged is durable, the store is written in batches."""
