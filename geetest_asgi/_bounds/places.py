"""A bound on simultaneous calls in one event loop, shared fairly by clients."""

import anyio

Client = str | None


class Places:
    """A fixed number of places. One client holds half of them at most; further requests wait in their client's line.

    The lines take turns. Requests with `client=None` (no address is known) may hold all. For one event loop.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._share = (places + 1) // 2
        self._held: dict[Client, int] = {}
        self._lines: dict[Client, dict[anyio.Event, None]] = {}

    def take(self, client: Client) -> bool:
        """Take a place if one is free for this client. A place that is given back goes to a waiting line first."""
        held = self._held.get(client, 0)
        if self._free <= 0 or (client is not None and held >= self._share):
            return False
        self._free -= 1
        self._held[client] = held + 1
        return True

    def join_line(self, client: Client) -> anyio.Event:
        """Return an event to `wait` for. To give up the wait, set it."""
        place = anyio.Event()
        self._lines.setdefault(client, {})[place] = None
        return place

    async def wait(self, client: Client, place: anyio.Event) -> bool:
        """Wait in line. Return whether a place was given; False if the wait was given up."""
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
        """Give a place back. The next line gets it whose client holds less than half of the places."""
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
