"""The two wires and who is who: codecs without I/O and without a clock."""
