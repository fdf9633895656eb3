# SPDX-License-Identifier: MIT
"""What the stores on AWS share: clients that do not wait long, and failures told so that a caller can act on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .storage import away, busy

BUSY_CODES = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)


@dataclass(frozen=True)
class Patience:
    """How many seconds a client waits for a connection and for an answer, and how often it tries."""

    connect: float
    read: float
    attempts: int

    def config(self, **settings: Any) -> Any:
        """Return the client configuration for it."""
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": self.attempts}
        return Config(connect_timeout=self.connect, read_timeout=self.read, retries=retries, **settings)


# A store that takes connections and never answers costs a call about 5 s: two attempts and the pause between them.
WORKING = Patience(connect=2, read=2, attempts=2)
# A readiness check has 2 s in all.
CHECKING = Patience(connect=0.7, read=0.7, attempts=1)

# boto3's default session must not make two clients at once.
_making = threading.Lock()


class LazyClient:
    """A client that is made when it is first needed, and once: tools run in several threads."""

    def __init__(self, make: Callable[[Patience], Any], patience: Patience) -> None:
        self._make = make
        self._patience = patience
        self._made: Any = None

    def get(self) -> Any:
        """Return the client."""
        if self._made is None:
            with _making:
                self._made = self._made or self._make(self._patience)
        return self._made

    def reset(self) -> None:
        """Close its connections. It stays and opens new ones: making a client is what takes time."""
        if self._made is not None:
            self._made.close()


@contextmanager
def told(store: str, changing: bool = False) -> Iterator[None]:
    """Turn what a caller can wait out into a `StorageError`; anything else stays a crash for the log.

    :param store: what the caller knows it as
    :param changing: whether an unanswered request may have changed something
    """
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    try:
        yield
    except (ConnectionError, HTTPClientError) as error:
        raise away(store, changing) from error
    except ClientError as error:
        if is_busy(error.response):
            raise busy(store) from error
        raise


def is_busy(response: Any) -> bool:
    """Tell whether an error answer means that the same request may succeed later."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    codes = {response["Error"]["Code"], *(reason.get("Code") for reason in response.get("CancellationReasons", ()))}
    return status >= 500 or bool(codes & BUSY_CODES)
