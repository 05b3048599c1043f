"""Limit the calls in flight in one event loop, and share their places fairly between clients."""

import anyio

Client = str | None


class Places:
    """A number of places. One client holds half of them at most; further requests wait in the line of their client.

    The lines take turns. For `client=None` (no address is known) the half does not apply. For one event loop.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._share = (places + 1) // 2
        self._held: dict[Client, int] = {}
        self._lines: dict[Client, dict[anyio.Event, None]] = {}

    def take(self, client: Client) -> bool:
        """Take a place if one is free for this client. Overtakes no line: `give_back` gives places to lines at once."""
        held = self._held.get(client, 0)
        if self._free <= 0 or (client is not None and held >= self._share):
            return False
        self._free -= 1
        self._held[client] = held + 1
        return True

    def join_line(self, client: Client) -> anyio.Event:
        """Return an event for `wait`. Set it to end the wait without a place."""
        place = anyio.Event()
        self._lines.setdefault(client, {})[place] = None
        return place

    async def wait(self, client: Client, place: anyio.Event) -> bool:
        """Wait in line. Return whether a place was given; if not, the caller has set the event."""
        try:
            await place.wait()
        except BaseException:
            if self._leave_line(client, place):
                self.give_back(client)
            raise
        return self._leave_line(client, place)

    def _leave_line(self, client: Client, place: anyio.Event) -> bool:
        line = self._lines.get(client, {})
        if place not in line:
            return True
        del line[place]
        if not line:
            del self._lines[client]
        return False

    def give_back(self, client: Client) -> None:
        """Give a place back: it goes to the next line whose client holds less than half of the places."""
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        for each, line in self._lines.items():
            if self.take(each):
                place = next(iter(line))
                place.set()
                self._leave_line(each, place)
                if each in self._lines:  # behind the others
                    self._lines[each] = self._lines.pop(each)
                break
