"""The server: a W&B base URL on 127.0.0.1, which a test can stop, start again and make fail.

Everything it was told survives `stop()` and `start()`, and it comes back on the same port.
"""

import base64
import os
import secrets
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.loopback.requests import Handler
from tests.loopback.state import State

WAIT = 5.0  # seconds that stopping may take


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, owner: "Server"):
        self.owner = owner
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed in the middle of a request is what these tests are about."""


class Server:
    """Attributes:
    key: the one API key that is let in
    state: what the clients told; hold `state.lock` to read more than one thing
    unknown: what was asked and is not known here; a test that saw all of its traffic asserts that it is empty
    requests: (method, path, operation) of all requests, in the order they came
    """

    def __init__(self, port: int = 0):
        self.port = port
        self.key = "loopbackkey" + secrets.token_hex(16)
        self.state = State()
        self.unknown: list[str] = []
        self.requests: list[tuple[str, str, str]] = []
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._failure = (500, 0.0)  # the status to answer with, and until when
        self._busy = 0
        self._idle = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"api:{self.key}".encode()).decode()

    def start(self) -> "Server":
        if self._listener is not None:
            return self
        self.state.restart_clocks()
        self._listener = Listener(self.port, self)
        self.port = self._listener.server_address[1]
        self.state.base_url = self.url
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on. A request that is being answered still is."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown()
        listener.server_close()
        self._thread.join(WAIT)
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, WAIT)

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def fail(self, seconds: float) -> None:
        """Answer everything with 500 for so long."""
        self.answer_with(500, seconds)

    def answer_with(self, status: int, seconds: float) -> None:
        """Answer everything with this status for so long; 0 seconds ends it."""
        self._failure = (status, time.monotonic() + seconds)

    def failure(self) -> int | None:
        status, until = self._failure
        return status if time.monotonic() < until else None

    def begin(self, listener: Listener) -> bool:
        """A request is about to be answered; False if its listener is stopped already."""
        with self._idle:
            if self._listener is not listener:
                return False
            self._busy += 1
            return True

    def end(self) -> None:
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def env(self, folder: str | os.PathLike) -> dict[str, str]:
        """The whole environment of a client process that knows this server only and writes below `folder` only."""
        folder = Path(folder).absolute()
        env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        places = {
            "HOME": "home", "WANDB_DIR": "", "WANDB_CACHE_DIR": "cache", "WANDB_CONFIG_DIR": "config",
            "WANDB_DATA_DIR": "data", "WANDB_ARTIFACT_DIR": "artifacts",
        }  # fmt: skip
        for name, place in places.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            env[name] = str(folder / place)
        env |= {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.key,
            "WANDB_ENTITY": "lab",
            "WANDB_PROJECT": "sieve",
            "WANDB_ERROR_REPORTING": "false",
            "NETRC": str(folder / "netrc"),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            # An agent starts `python`, whichever comes first.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)]),
        }
        return env
