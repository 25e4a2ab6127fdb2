"""Tests of whether a mask is what it is said to be: the part of a network that does a task."""
