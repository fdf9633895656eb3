# SPDX-License-Identifier: MIT
"""Documents in a real Redis in front of a store: never another document than the store's, with or without Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pratiko_mcp.readiness import Degraded
from pratiko_mcp.reference import cache as cache_module
from pratiko_mcp.reference.address import Address
from pratiko_mcp.reference.cache import (
    ENTRY_SECONDS,
    LEASE_SECONDS,
    PAUSE_SECONDS,
    PREFIX,
    RETRY_SECONDS,
    Cache,
    CachedStorage,
)
from pratiko_mcp.reference.memory import MemoryStorage
from pratiko_mcp.reference.storage import Document, Storage, VersionConflict

from tests.support import services
from tests.support.services import Redis
from tests.support.storage_contract import Clock, Factory, StorageContract

pytestmark = pytest.mark.integration


class Counted(MemoryStorage):
    """Counts the reads."""

    reads = 0

    def get(self, document_id: str) -> Document | None:
        self.reads += 1
        return super().get(document_id)


def address(service: Redis) -> Address:
    return Address(service.url, str(service.password_file))


def results(cache: Cache) -> dict[str, float]:
    """Return how often the cache was hit, missed and failed."""
    return {name: value for name, value in next(cache.readings()).values.items() if value}


class TestCachedStorage(StorageContract):
    """The contract of every store."""

    examples = 25
    steps = 20
    long_examples = 500

    @pytest.fixture
    def factory(self, shared_redis: Redis) -> Iterator[Factory]:
        caches: list[Cache] = []

        def make(clock: Clock) -> Storage:
            shared_redis.client().flushall()
            caches.append(Cache(address(shared_redis)))
            return CachedStorage(MemoryStorage(clock), caches[-1])

        yield make
        for cache in caches:
            cache.reset()
            assert "error" not in results(cache)


@pytest.fixture
def cache(shared_redis: Redis) -> Iterator[Cache]:
    shared_redis.client().flushall()
    cache = Cache(address(shared_redis))
    yield cache
    cache.reset()


@pytest.fixture
def store() -> Counted:
    return Counted()


@pytest.fixture
def storage(store: Counted, cache: Cache) -> CachedStorage:
    return CachedStorage(store, cache)


def test_the_second_read_comes_from_the_cache(storage: CachedStorage, store: Counted, cache: Cache) -> None:
    storage.save("a", "Tïtle", "x" * 300_000)
    first = storage.get("a")
    assert storage.get("a") == first == store.get("a")
    assert store.reads == 2  # the first one, and the comparison's
    assert results(cache) == {"hit": 1, "miss": 1}


def test_every_write_is_seen_by_the_next_read(storage: CachedStorage, store: Counted) -> None:
    for number in range(5):
        version = storage.save("a", "T", str(number)).summary.version
        for _ in range(3):
            assert storage.get("a").version == version
    assert store.reads == 5
    storage.delete("a")
    assert storage.get("a") is None


def test_a_refused_write_changes_nothing(storage: CachedStorage, store: Counted) -> None:
    storage.save("a", "T", "x")
    with pytest.raises(VersionConflict):
        storage.save("a", "T", "y", 7)
    assert [storage.get("a").text for _ in range(2)] == ["x", "x"]
    assert store.reads == 1


def test_what_is_there_expires(storage: CachedStorage, shared_redis: Redis) -> None:
    storage.save("a", "T", "x")
    storage.get("a")
    assert ENTRY_SECONDS - 2 < shared_redis.client().ttl(PREFIX + "a") <= ENTRY_SECONDS
    storage.get("missing")
    assert 0 < shared_redis.client().ttl(PREFIX + "missing") <= LEASE_SECONDS


def test_a_reader_that_was_overtaken_by_a_writer_puts_nothing_there(storage: CachedStorage, cache: Cache) -> None:
    storage.save("a", "T", "old")
    document, lease = cache.look("a")
    assert document is None
    assert lease
    old = storage._storage.get("a")
    storage.save("a", "T", "new")
    cache.fill(lease, old)
    assert storage.get("a").text == "new"


def test_nobody_fills_while_a_writer_is_at_it(storage: CachedStorage, cache: Cache) -> None:
    storage.save("a", "T", "old")
    with cache.changing("a"):
        assert storage.get("a").text == "old"
        assert cache.look("a") == (None, None)
        with cache.changing("a"):
            pass
        lease = cache.look("a")[1]
        assert lease  # the second writer is done; the first will remove what comes of this
        cache.fill(lease, storage._storage.get("a"))
    assert cache.look("a")[0] is None


def test_a_writer_leaves_the_mark_of_another(cache: Cache, shared_redis: Redis) -> None:
    first, second = cache.changing("a"), cache.changing("a")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert shared_redis.client().get(PREFIX + "a").startswith("w:")
    second.__exit__(None, None, None)
    assert shared_redis.client().get(PREFIX + "a") is None


def test_readers_and_writers_at_once(shared_redis: Redis, store: Counted) -> None:
    """Each writer reads at least its own version afterwards, through any process's cache."""
    caches = [Cache(address(shared_redis)) for _ in range(2)]
    storages = [CachedStorage(store, cache) for cache in caches]
    stale: list[tuple[int, int]] = []

    def work(number: int) -> None:
        for step in range(150):
            saved = storages[number % 2].save("a", "T", f"{number}-{step}").summary.version
            read = storages[(number + step) % 2].get("a")
            if read is None or read.version < saved:
                stale.append((saved, read.version if read else 0))
            storages[step % 2].get("a")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stale == []
    assert results(caches[0]).get("hit", 0) > 0
    for cache in caches:
        cache.reset()


@pytest.mark.parametrize("value", ["d:{", "d:[]", 'd:{"title": 1}', "unknown"])
def test_what_nobody_here_wrote_is_a_miss(
    storage: CachedStorage, cache: Cache, shared_redis: Redis, value: str
) -> None:
    storage.save("a", "T", "x")
    shared_redis.client().set(PREFIX + "a", value)
    assert storage.get("a").text == "x"


class Watch:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """One that a test may break."""
    with services.redis() as service:
        yield service


def test_without_redis_the_store_answers(own_redis: Redis, store: Counted, caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch()
    cache = Cache(address(own_redis), watch)
    storage = CachedStorage(store, cache)
    storage.save("a", "T", "old")
    assert [storage.get("a").text for _ in range(2)] == ["old", "old"]
    cache.check()
    own_redis.kill()
    began = time.monotonic()
    for number in range(20):
        storage.save("a", "T", str(number))
        assert storage.get("a").text == str(number)
    assert time.monotonic() - began < 2
    with pytest.raises(Degraded, match="reads come from the store"):
        cache.check()
    assert len([record for record in caplog.records if "the cache does not answer" in record.message]) == 1
    own_redis.start()
    cache.check()
    watch.now += PAUSE_SECONDS
    reads = store.reads
    assert [storage.get("a").text for _ in range(3)] == ["19"] * 3
    assert store.reads == reads + 1


def test_what_could_not_be_marked_is_not_read_later(own_redis: Redis, store: Counted) -> None:
    """A frozen Redis still has the old document when it goes on."""
    watch = Watch()
    cache = Cache(address(own_redis), watch)
    storage = CachedStorage(store, cache)
    storage.save("a", "T", "old")
    storage.get("a")
    own_redis.freeze()
    began = time.monotonic()
    storage.save("a", "T", "new")
    assert time.monotonic() - began < 2
    own_redis.thaw()
    assert own_redis.client().get(PREFIX + "a").startswith(("d:", "w:"))
    watch.now += PAUSE_SECONDS - 1
    assert storage.get("a").text == "new"
    own_redis.client().pexpire(PREFIX + "a", 1)  # as it does by itself meanwhile
    time.sleep(0.05)
    watch.now += 1
    assert [storage.get("a").text for _ in range(2)] == ["new", "new"]
    assert results(cache)["hit"] == 1


def test_writes_do_not_wait_for_a_redis_that_hangs(own_redis: Redis, store: Counted) -> None:
    """One in a while tries it; when it is back all mark again, and reads follow when what was unmarked has expired."""
    watch = Watch()
    cache = Cache(address(own_redis), watch)
    storage = CachedStorage(store, cache)
    own_redis.freeze()
    began = time.monotonic()
    for number in range(20):
        storage.save("a", "T", str(number))
    assert time.monotonic() - began < 2
    watch.now += RETRY_SECONDS
    storage.save("a", "T", "tried again")
    assert results(cache) == {"error": 2}
    own_redis.thaw()
    storage.save("a", "T", "not tried")
    watch.now += RETRY_SECONDS
    with cache.changing("a"), cache.changing("b"):
        assert {own_redis.client().get(PREFIX + name)[:2] for name in "ab"} == {"w:"}
    watch.now += PAUSE_SECONDS - RETRY_SECONDS
    assert [storage.get("a").text for _ in range(2)] == ["not tried"] * 2
    assert results(cache) == {"error": 2, "miss": 1, "hit": 1}


def test_an_unmarked_write_is_not_overtaken_by_the_end_of_the_pause(own_redis: Redis, store: Counted) -> None:
    watch = Watch()
    cache = Cache(address(own_redis), watch)
    own_redis.freeze()
    with cache.changing("a"):
        own_redis.thaw()
        watch.now += PAUSE_SECONDS - 1
    watch.now += 2
    assert cache.look("a") == (None, None)


def test_dead_connections_are_no_error(own_redis: Redis, store: Counted) -> None:
    cache = Cache(address(own_redis))
    storage = CachedStorage(store, cache)
    storage.save("a", "T", "x")
    storage.get("a")
    own_redis.kill()
    own_redis.start()
    assert storage.get("a") is not None
    assert "error" not in results(cache)


def test_a_wrong_password_is_told_by_the_check(own_redis: Redis, store: Counted, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong\n")
    cache = Cache(Address(own_redis.url, str(wrong)))
    storage = CachedStorage(store, cache)
    storage.save("a", "T", "x")
    assert storage.get("a") is not None
    with pytest.raises(Degraded, match=r"(?i)password|auth"):
        cache.check()
    wrong.write_text(own_redis.password)
    cache.check()


def test_answers_are_not_waited_for_long() -> None:
    assert cache_module.ANSWER_SECONDS * 2 < 1
    with suppress(Degraded):
        began = time.monotonic()
        Cache(Address("redis://127.0.0.1:9/0", None)).check()
    assert time.monotonic() - began < 1
