"""Recording with guidance: what a person is asked for, shown and told while takes are made."""
