"""What runs beside a node: its port, its stream, its recordings, its trainer and its recogniser."""
