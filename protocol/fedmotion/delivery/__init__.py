"""At least once made exactly once: chunks, the outbox, receipts and presence."""
