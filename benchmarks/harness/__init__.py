"""One load harness for Vestibule and its peers: same scenarios, same meter.

`compare.py` runs in one process and holds the meter. For each peer it starts the
server (pinned to `cores.SERVER`) and a driver (pinned to `cores.CLIENT`), and the two
talk in JSON lines: `conductor` is its side, `control` the Python driver's,
`js/control.mjs` the JavaScript driver's. Nothing here but `clients` needs more than
the standard library, because the drivers run in whatever interpreter has the client.
"""
