"""Many tasks in one frozen random network: supermasks in superposition and what it is compared with."""
