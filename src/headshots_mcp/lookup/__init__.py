"""How are these tasks? In as few requests as possible, and always in time."""
