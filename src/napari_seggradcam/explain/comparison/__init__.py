"""Answers compared: network layers with each other, and weights at different locations."""
