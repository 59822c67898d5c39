"""The vendor's endpoint simulated on this machine, for the demo, for trying a host without an account, for tests."""
