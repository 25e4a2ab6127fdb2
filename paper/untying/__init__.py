"""Figures of CNNs untied into locally and fully connected networks."""
