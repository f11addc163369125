"""What is explained: networks, the files they come from, and the roles of their layers.

Nothing here asks a question of a network; that is the room ``explain``.
"""
