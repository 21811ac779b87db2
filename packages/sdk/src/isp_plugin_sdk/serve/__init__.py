"""The worker's half of process isolation: `python -m isp_plugin_sdk.serve [--path FOLDER]... module:Class` runs one plugin.

Standard library only. Rooms: `ends` (the channel's bytes), `link` (what is sent, and who waits for an answer), `crew` (the threads), `loop`
(the event loop of `async def`), `plugin` (the plugin itself), `calls` (one call), `desk` (which request is whose), `way` (host calls), `confined`
(the sandbox).
"""
