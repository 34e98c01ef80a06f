"""Components: methods and events under the broker's name, called like Python's own."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from vestibule.client.errors import RequestFailed, SessionClosed
from vestibule.client.invoking import method_invoker, public_methods
from vestibule.client.provision import Provision
from vestibule.client.pubsub import Events
from vestibule.client.rpc import Rpc
from vestibule.client.subscription import Subscription
from vestibule.client.suspension import OnAccess
from vestibule.client.tasks import Tasks


__all__ = [
    "Component",
    "ComponentProvision",
    "EventComponent",
    "EventComponents",
    "Exchange",
    "HandlerSubscription",
    "Method",
]

log = logging.getLogger("vestibule.client")


class Exchange:
    """`session.exchange`: `await session.exchange.<component>.<method>(…)`.

    Names that are no Python attributes, or begin with `_`, go in brackets:
    `session.exchange["my-component"]["call"](…)`.
    """

    def __init__(self, rpc: Rpc, broker: str) -> None:
        self._rpc: Final = rpc
        self._broker: Final = broker

    def __getitem__(self, component: str) -> "Component":
        return Component(self._rpc, f"{self._broker}/{component}")

    def __getattr__(self, component: str) -> "Component":
        return self[_attribute(component)]

    async def call(
        self,
        component: str,
        method: str,
        /,
        *args: Any,
        timeout: float = 10.0,  # noqa: ASYNC109 - it is the broker that times
        **kwargs: Any,
    ) -> Any:
        """Call a component's method with a time limit of its own.

        Raises:
            RemoteError: the method raised.
            RequestFailed, ConnectionLost, SessionClosed: as `rpc.call`.
        """
        return await self._rpc.call(
            f"{self._broker}/{component}/{method}",
            {"args": list(args), "kwargs": kwargs},
            timeout=timeout,
        )

    def provide(
        self, component: str, instance: object, *, on_state: OnAccess | None = None
    ) -> "ComponentProvision":
        """Provide each public method of `instance` as a method of `component`.

        A method that has a parameter named `call` gets the call there.

        Raises:
            TypeError: a component that is no str.
            ValueError: an instance without a public method.
        """
        if not isinstance(component, str):
            raise TypeError("component is a str")
        methods = public_methods(instance)
        if not methods:
            raise ValueError("there is no public method to provide")
        return ComponentProvision(
            [
                self._rpc.provide_invoking(
                    f"{self._broker}/{component}/{name}",
                    method_invoker(method),
                    on_state=on_state,
                )
                for name, method in methods.items()
            ]
        )


class Component:
    """A component of the exchange; its attributes are its methods."""

    __slots__ = ("_path", "_rpc")

    def __init__(self, rpc: Rpc, path: str) -> None:
        self._rpc = rpc
        self._path = path

    def __getitem__(self, method: str) -> "Method":
        return Method(self._rpc, f"{self._path}/{method}")

    def __getattr__(self, method: str) -> "Method":
        return self[_attribute(method)]


class Method:
    """A method of a component: call it, and await the result."""

    __slots__ = ("_path", "_rpc")

    def __init__(self, rpc: Rpc, path: str) -> None:
        self._rpc = rpc
        self._path = path

    def __repr__(self) -> str:
        return f"<Method {self._path}>"

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method; the time limit is ten seconds.

        Raises:
            RemoteError: the method raised.
            RequestFailed, ConnectionLost, SessionClosed: as `rpc.call`.
        """
        return await self._rpc.call(self._path, {"args": list(args), "kwargs": kwargs})


class ComponentProvision:
    """An async context manager: inside the block the component is provided, whole."""

    def __init__(self, provisions: list[Provision]) -> None:
        self.provisions: Final = tuple(provisions)
        """One for each method."""

    @property
    def suspended(self) -> bool:
        """Whether at least one method is suspended."""
        return any(provision.suspended for provision in self.provisions)

    @property
    def suspended_patterns(self) -> tuple[str, ...]:
        """The paths of the methods that are suspended."""
        return tuple(p for one in self.provisions for p in one.suspended_patterns)

    async def __aenter__(self) -> Self:
        try:
            await self._enter()
        except BaseException:
            await self._leave()
            raise
        return self

    async def _enter(self) -> None:
        # All ask before any waits, so that they leave in one record.
        outcomes = await asyncio.gather(
            *(provision.__aenter__() for provision in self.provisions),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        # Those that were not accepted have nothing to leave.
        await asyncio.gather(
            *(provision.__aexit__(None, None, None) for provision in self.provisions)
        )


class EventComponents:
    """`session.event`: `await session.event.<component>.on(key, handler)`."""

    def __init__(self, events: Events, tasks: Tasks, broker: str) -> None:
        self._events: Final = events
        self._tasks: Final = tasks
        self._broker: Final = broker

    def __getitem__(self, component: str) -> "EventComponent":
        return EventComponent(self._events, self._tasks, f"{self._broker}/{component}")

    def __getattr__(self, component: str) -> "EventComponent":
        return self[_attribute(component)]


class EventComponent:
    """The events of one component."""

    __slots__ = ("_events", "_path", "_tasks")

    def __init__(self, events: Events, tasks: Tasks, path: str) -> None:
        self._events = events
        self._tasks = tasks
        self._path = path

    async def on(
        self,
        key: str,
        handler: Callable[[Any], object],
        *,
        on_state: OnAccess | None = None,
    ) -> "HandlerSubscription":
        """Subscribe to the component's events `key`, a name or a pattern.

        `handler(data)`, sync or async, is called for each event, one after the other.
        One that raises is logged.

        Raises:
            RequestFailed, ConnectionLost, SessionClosed: as `events.subscribe`.
            TypeError: a key that is no str, a handler that cannot be called.
        """
        if not isinstance(key, str):
            raise TypeError("key is a str")
        if not callable(handler):
            raise TypeError("handler is a function")
        subscription = self._events.subscribe(f"{self._path}/{key}", on_state=on_state)
        handled = HandlerSubscription(self._events, subscription, handler)
        await subscription.__aenter__()
        self._tasks.start(handled.serve(), name=f"vestibule handler {self._path}/{key}")
        return handled


class HandlerSubscription:
    """A subscription whose events go to a handler, until `close`."""

    def __init__(
        self,
        events: Events,
        subscription: Subscription,
        handler: Callable[[Any], object],
    ) -> None:
        self._events: Final = events
        self._subscription: Final = subscription
        self._handler: Final = handler

    @property
    def suspended(self) -> bool:
        """Whether it is suspended."""
        return self._subscription.suspended

    @property
    def suspended_patterns(self) -> tuple[str, ...]:
        """The path, if it is suspended."""
        return self._subscription.suspended_patterns

    @property
    def gaps(self) -> int:
        """How often events may have been missed."""
        return self._subscription.gaps

    async def close(self) -> None:
        """End the subscription; the handler is not called again. Idempotent."""
        await self._subscription.__aexit__(None, None, None)

    async def serve(self) -> None:
        """Hand on events until there are no more. What else ends it is reported."""
        while True:
            try:
                event = await anext(self._subscription)
            except (StopAsyncIteration, SessionClosed):
                return
            except RequestFailed as error:
                self._events.report(error)
                if self._subscription.exhausted:
                    return
                continue
            try:
                result = self._handler(event.data)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                log.exception("handler.failed")


def _attribute(name: str) -> str:
    # So that copying, inspecting and completing see an ordinary object.
    if name.startswith("_"):
        raise AttributeError(f"{name!r}: names that begin with `_` go in brackets")
    return name
