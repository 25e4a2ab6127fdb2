"""Convolutional networks untied into locally connected and fully connected ones."""
