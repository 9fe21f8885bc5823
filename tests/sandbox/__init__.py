"""Stand-ins for the providers that cannot be reached from here. They share no code with Otto."""
