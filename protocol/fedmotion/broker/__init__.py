"""The MQTT door: the paho adapter, its in-memory twin and the brokers that fedmotion can start."""
