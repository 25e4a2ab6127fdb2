"""Figures of subnetworks of random networks."""
