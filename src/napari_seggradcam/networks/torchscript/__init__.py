"""TorchScript files as ordinary modules, and what can be said of them before they are loaded.

`scanning` looks at a file without running any of it. `reading` loads one that was looked at, and
`mirroring` rebuilds the network in it as modules whose hooks fire.
"""
