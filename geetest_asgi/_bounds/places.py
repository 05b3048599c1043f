"""Places for what may be under way at one time in one event loop, shared fairly by clients."""

from collections import Counter

import anyio

Client = str | None


class Places:
    """So many places. One client holds half of them at most; requests beyond wait in the line of their client.

    The lines take turns. Of `client=None` (no address is known) the half does not apply. For one event loop.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._share = (places + 1) // 2
        self._held = Counter[Client]()
        self._lines: dict[Client, dict[anyio.Event, None]] = {}

    def take(self, client: Client) -> bool:
        """Take a place if one is free for this client. Nobody is overtaken: free places are given to lines at once."""
        if free := self._has_room(client):
            self._free -= 1
            self._held[client] += 1
        return free

    def join_line(self, client: Client) -> anyio.Event:
        """Return an event to `wait` for; who waits no longer sets it."""
        place = anyio.Event()
        self._lines.setdefault(client, {})[place] = None
        return place

    async def wait(self, client: Client, place: anyio.Event) -> bool:
        """Wait in line. Return whether a place was given; else it was somebody else who set the event."""
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
        """Give a place back: the next line with room gets it. At most two lines have none, each with its half."""
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        for each, line in self._lines.items():
            if self._has_room(each):
                place = next(iter(line))
                place.set()
                self._leave_line(each, place)
                if each in self._lines:  # behind the others
                    self._lines[each] = self._lines.pop(each)
                self.take(each)
                break

    def _has_room(self, client: Client) -> bool:
        return self._free > 0 and (client is None or self._held[client] < self._share)
