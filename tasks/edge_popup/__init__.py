"""Subnetworks of random networks, found by edge-popup."""
