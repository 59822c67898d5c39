"""The vendor's endpoint made up on this machine: for the demo, for trying a host without an account, for the tests."""
