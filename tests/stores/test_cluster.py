"""RedisStore on a real Redis Cluster: three masters, one of which has a replica and is killed."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from commands import free_port, until

from geetest_asgi.stores import FailSafe, RedisStore

from .support import SECONDS, RedisServer, running

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

KEYS = [f"key {number}" for number in range(60)]
"""Some for each master: a key's digest says which one has it."""


class Cluster:
    """The first master is the one with a replica."""

    def __init__(self, servers: list[RedisServer]) -> None:
        *self.masters, self.replica = servers

    def form(self) -> None:
        """Give each master its third of the slots, and wait until all agree."""
        self.command("--cluster", "create", *map(self.place, self.masters), "--cluster-yes")
        self.wait_until_well()
        new, first = self.place(self.replica), self.place(self.masters[0])
        number = self.command("-p", str(self.masters[0].port), "cluster", "myid")
        self.command("--cluster", "add-node", new, first, "--cluster-slave", "--cluster-master-id", number)
        until(lambda: "master_link_status:up" in self.replica.ask("INFO", "replication"))

    @staticmethod
    def command(*arguments: str) -> str:
        done = subprocess.run(["redis-cli", *arguments], capture_output=True, text=True, timeout=SECONDS, check=True)
        return done.stdout.strip()

    @staticmethod
    def place(server: RedisServer) -> str:
        return f"127.0.0.1:{server.port}"

    def wait_until_well(self) -> None:
        others = (*self.masters[1:], self.replica)
        until(lambda: all("cluster_state:ok" in each.ask("CLUSTER", "INFO") for each in others[:2]))

    def client(self) -> Any:
        """A client for one event loop."""
        library = pytest.importorskip("redis.asyncio")
        return library.RedisCluster(host="127.0.0.1", port=self.masters[1].port)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--dir", str(tmp_path)]
    with ExitStack() as stack:
        own = [("--cluster-config-file", f"{each}.conf", "--cluster-port", free_port()) for each in range(4)]
        servers = [stack.enter_context(running(*options, *each)) for each in own]
        formed = Cluster(servers)
        formed.form()
        yield formed


async def test_each_verb_does_what_it_should_on_every_node(cluster: Cluster) -> None:
    store = RedisStore(cluster.client)
    assert [await store.add(key, "value", 60) for key in KEYS * 2] == [True] * 60 + [False] * 60
    assert [await store.count("n" + key, 60) for key in KEYS * 2] == [1] * 60 + [2] * 60
    await store.delete(KEYS[0])
    assert [await store.pop(key) for key in KEYS * 2] == [None] + ["value"] * 59 + [None] * 60
    for master in cluster.masters:
        assert int(master.ask("DBSIZE")[0]) > 5
    await store.aclose()


async def test_when_a_master_dies_its_replica_knows_what_was_spent(cluster: Cluster) -> None:
    before = RedisStore(cluster.client, timeout=2)
    assert all([await before.add(key, "", 60) for key in KEYS])
    await before.aclose()
    until(lambda: cluster.replica.ask("DBSIZE") == cluster.masters[0].ask("DBSIZE"))
    amid = RedisStore(cluster.client)
    store = FailSafe(amid)
    cluster.masters[0].kill()
    assert all([await store.add(f"amid {key}", "", 60) for key in KEYS]), "the site goes on"
    await amid.aclose()
    until(lambda: "role:master" in cluster.replica.ask("INFO", "replication"))
    cluster.wait_until_well()
    other = RedisStore(cluster.client)  # another process: it has seen nothing itself
    with anyio.fail_after(SECONDS):
        assert [await other.add(key, "", 60) for key in KEYS] == [False] * 60
    await other.aclose()
