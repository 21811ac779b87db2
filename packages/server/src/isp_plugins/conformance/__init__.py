"""The conformance suite of the worker protocol: whether a command speaks it, whatever language it is written in.

1. It shares no code with the host's or the SDK's side of the protocol, so that it judges them too; `docs/protocol.md` is what it checks.
2. Each check starts a process of its own and brings it as far as the check needs (`session`), so that none depends on another.
3. What a message must look like is data (`shapes`); what came is kept in the order in which it came (`channel`).
4. The suite plays the host (`host`): it answers storage and dispatch, or lets a check hold an answer back.
"""
