"""A client on Python's `websockets`: reads what to do from standard input, and answers on standard output, in JSON."""

import asyncio
import base64
import json
import sys

import websockets


def encode(message):
    if isinstance(message, str):
        return {"text": message}
    return {"base64": base64.b64encode(message).decode("ascii")}


def decode(message):
    return message["text"] if "text" in message else base64.b64decode(message["base64"])


def extensions_of(connection):
    # Since version 14 the connection has them from its protocol.
    extensions = getattr(connection, "extensions", None)
    if extensions is None:
        extensions = connection.protocol.extensions
    return "; ".join(extension.name for extension in extensions)


class Client:
    connection = None

    async def open(self, url, subprotocols):
        # Pings of its own would come in between.
        self.connection = await websockets.connect(url, subprotocols=subprotocols or None, ping_interval=None)
        return {
            "subprotocol": self.connection.subprotocol or "",
            "extensions": extensions_of(self.connection),
        }

    async def exchange(self, messages, count):
        # Receives meanwhile: both sides would wait for each other once the buffers are full.
        receiving = asyncio.ensure_future(self.receive(count))
        for message in messages:
            await self.connection.send(decode(message))
        return {"messages": [encode(message) for message in await receiving]}

    async def receive(self, count):
        return [await self.connection.recv() for _ in range(count)]

    async def hear(self, millis):
        pong = asyncio.ensure_future(await self.connection.ping())
        message = asyncio.ensure_future(self.connection.recv())
        heard, unheard = await asyncio.wait(
            [pong, message], timeout=millis / 1000, return_when=asyncio.FIRST_COMPLETED
        )
        for future in unheard:
            future.cancel()
        return {"heard": "; ".join(repr(future) for future in heard)}

    async def sendBytes(self, size):
        try:
            await self.connection.send(bytes(size))
        except websockets.exceptions.ConnectionClosed:
            pass

    async def close(self, code, reason):
        await self.connection.close(code, reason)

    async def closed(self):
        unread = 0
        try:
            while True:
                await self.connection.recv()
                unread += 1
        except websockets.exceptions.ConnectionClosed as end:
            return {
                "code": end.rcvd.code if end.rcvd else 1006,
                "reason": end.rcvd.reason if end.rcvd else "",
                "wasClean": end.rcvd is not None and end.sent is not None,
                "error": None
                if isinstance(end, websockets.exceptions.ConnectionClosedOK)
                else f"{type(end).__name__}: {end}",
                "unread": unread,
            }


async def main():
    loop = asyncio.get_running_loop()
    # A line may hold a message of some megabytes.
    commands = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    client = Client()
    async for line in commands:
        command = json.loads(line)
        try:
            answer = await getattr(client, command["name"])(**command["argument"])
        except (OSError, websockets.exceptions.WebSocketException) as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
