"""What MCP hosts see: the tools, the wording of their answers, and the transports, stdio and HTTP."""
