"""What MCP hosts meet: the tools and their words, over stdio and HTTP."""
