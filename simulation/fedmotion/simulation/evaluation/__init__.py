"""What federation buys on recorded people: leave one person out, alone against federated against pooled."""
