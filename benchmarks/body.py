"""The pinned listeners of the hook benchmarks: the specification's own example, about 140 ns on a small machine."""


class Plugin:
    """A plugin's three ways to listen."""

    def __init__(self, number):
        self.number = number

    def listen(self, payload):
        return {"processed": True, "customer_id": payload.get("id")}

    async def listen_async(self, payload):
        return {"processed": True, "customer_id": payload.get("id")}

    def change(self, value):
        value["items"] = self.number
        return value

    def listen_kw(self, sender, payload):
        return {"processed": True, "customer_id": payload.get("id")}


PAYLOAD = {"id": 7, "number": "C-7", "kind": "home"}
