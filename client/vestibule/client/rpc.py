"""Calls: calling what others provide, and providing names to others."""

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from vestibule.client.channel import Channel, Feature, body_of, value_of
from vestibule.client.errors import (
    ConnectionLost,
    RequestFailed,
    RequestTimeout,
    SessionClosed,
    request_failed,
)
from vestibule.client.given_call import GivenCall
from vestibule.client.invoking import Invoke, function_invoker
from vestibule.client.pending import About, Recent
from vestibule.client.provision import Provision
from vestibule.client.settings import seconds
from vestibule.client.suspension import OnAccess
from vestibule.protocol import messages
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.errors import ErrorCode, InvalidName
from vestibule.protocol.limits import MAX_ID
from vestibule.protocol.messages import Message
from vestibule.protocol.names import parse_name


if TYPE_CHECKING:
    from vestibule.client.session import Session

__all__ = ["Rpc"]

CALL: Final = About(Topic.RPC, Action.CALL)
SEND: Final = About(Topic.RPC, Action.SEND)
PROVIDE: Final = About(Topic.RPC, Action.PROVIDE)
UNPROVIDE: Final = About(Topic.RPC, Action.UNPROVIDE)

_LATE: Final = frozenset({ErrorCode.ACCEPT_TIMEOUT, ErrorCode.RESPONSE_TIMEOUT})
"""Why a call is over although its function need not stop: its answer is refused."""

_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes, list, dict, tuple})
"""Types of results that nobody has to await."""


class Rpc(Feature):
    """`session.rpc`: call names, and provide them.

    A function that is `def` is called at once, on the loop; one that is `async def` runs
    in a task of its own, which is cancelled when its caller gives up or the connection
    is lost. A function that is merely late goes on, and its answer is refused.
    """

    kind = "rpc"

    def __init__(self, channel: Channel, session: "Session") -> None:
        self._channel: Final = channel
        self._session: Final = session
        self._provisions: dict[str, Provision] = {}
        self._running: dict[int, tuple[GivenCall, asyncio.Task[None]]] = {}
        self._finished: Recent[str] = Recent()
        self.on_called: Callable[[str, Any], None] | None = None
        """Told the name and the data of each call that succeeded."""

    # What applications call.

    async def call(
        self,
        name: str,
        data: Any = None,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - it is the broker that times
    ) -> Any:
        """Call a name and give its result.

        A random provider has `rpc.accept_timeout` of the broker to accept, then
        `timeout` seconds to answer. A call that is cancelled is given up there too.

        Raises:
            RemoteError: the provider raised.
            RequestTimeout: ACCEPT_TIMEOUT, RESPONSE_TIMEOUT.
            RequestFailed: NO_RPC_PROVIDER, PROVIDER_LOST, MessageDenied, …
            ConnectionLost, SessionClosed: as for every request.
        """
        _check_name(name)
        body = body_of(data, CALL, name)
        wait, milliseconds = _time(timeout)
        result = await self._result(
            lambda id_: messages.Call(id_, name, body, milliseconds), CALL, name, wait
        )
        if self.on_called is not None:
            self.on_called(name, data)
        return result

    async def send(
        self,
        session_id: str,
        name: str,
        data: Any = None,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - it is the broker that times
    ) -> Any:
        """Call a name at the one session that is named, if it provides it.

        Everything else is as for `call`.
        """
        if not isinstance(session_id, str):
            raise TypeError("session_id is a str")
        _check_name(name)
        body = body_of(data, SEND, name)
        wait, milliseconds = _time(timeout)
        return await self._result(
            lambda id_: messages.Send(id_, session_id, name, body, milliseconds),
            SEND,
            name,
            wait,
        )

    async def _result(
        self, make: Callable[[int], Message], about: About, name: str, wait: float
    ) -> Any:
        body = await self._channel.ask(
            make,
            about,
            name,
            wait=wait,
            # The broker times the call: here is only what fails if it says nothing.
            patience=wait + self._channel.request_timeout,
            abandon=messages.Cancel,
        )
        return value_of(body, about, name)

    def provide(
        self,
        name: str,
        fn: Callable[..., Any],
        *,
        auto_accept: bool = True,
        on_state: OnAccess | None = None,
    ) -> Provision:
        """Provide a name: `async with session.rpc.provide(name, fn)`.

        `fn(data)`, sync or async, answers the calls; if it has a parameter named `call`
        it gets that too. What it returns is the answer, what it raises reaches the
        caller as RemoteError. The call is accepted when the function has begun: once it
        awaits something, or with its answer. With `auto_accept=False` it says
        `await call.accept()` itself. Raising `Reject` before that passes the call on.

        Raises:
            TypeError: a name that is no str, a function that cannot be called.
        """
        if not callable(fn):
            raise TypeError("fn is a function")
        return self.provide_invoking(
            name, function_invoker(fn), auto_accept=auto_accept, on_state=on_state
        )

    def provide_invoking(
        self,
        name: str,
        invoke: Invoke,
        *,
        auto_accept: bool = True,
        on_state: OnAccess | None = None,
    ) -> Provision:
        """Provide a name by whatever `invoke` makes of a call."""
        _check_name(name)
        return Provision(
            self,
            self._channel.callbacks,
            name,
            invoke,
            auto_accept=auto_accept,
            on_state=on_state,
        )

    # What provisions call.

    async def enter(self, provision: Provision) -> None:
        """Make a provision live.

        Raises:
            RequestFailed: it may not be.
            ConnectionLost, SessionClosed: as for every request.
        """
        try:
            name = parse_name(provision.name).text
        except InvalidName as problem:
            raise _refusal(ErrorCode.INVALID_PATH, str(problem), provision) from None
        if name in self._provisions:
            raise _refusal(
                ErrorCode.MULTIPLE_PROVIDERS, "this session provides it", provision
            )
        # Before the answer: a call may come in the same record.
        self._provisions[name] = provision
        try:
            await self._channel.ask(
                lambda id_: messages.Provide(id_, name), PROVIDE, provision.name
            )
        except BaseException as error:
            del self._provisions[name]
            if isinstance(error, RequestTimeout | asyncio.CancelledError):
                # It may have been accepted, and nobody will withdraw it.
                self._channel.forget(lambda id_: messages.Unprovide(id_, name))
            raise
        provision.live = True

    async def leave(self, provision: Provision) -> None:
        """Take a provision away; what it was given may still be answered."""
        name = parse_name(provision.name).text
        if self._provisions.get(name) is not provision:
            return
        del self._provisions[name]
        if self._channel.carrier is None:
            return
        # A failure means that it is gone one way or the other.
        with suppress(RequestFailed, ConnectionLost, SessionClosed):
            await self._channel.ask(
                lambda id_: messages.Unprovide(id_, name),
                UNPROVIDE,
                provision.name,
                again=True,
            )

    # What the broker says.

    def handlers(self) -> Mapping[type[Message], Callable[[Any], None]]:
        """Read what concerns given calls."""
        return {
            messages.CallGiven: self._given,
            messages.CallWithdrawn: self._withdrawn,
            messages.AnswerRefused: self._answer_refused,
        }

    def _given(self, notice: messages.CallGiven) -> None:
        carrier = self._channel.carrier
        provision = self._provisions.get(notice.name)
        if carrier is None:
            return
        if provision is None:
            self._channel.tell(messages.Reject(notice.call))
            return
        given = GivenCall(self._channel, self._session, carrier, notice)
        try:
            given.data = value_of(notice.data, CALL, notice.name)
            result = provision.invoke(given)
        except Exception as error:  # noqa: BLE001 - it is the caller's to see
            given.fail(error)
            return
        if type(result) not in _PLAIN and inspect.isawaitable(result):
            self._start(given, result)
            if provision.auto_accept:
                # Behind its first step, so that a function which rejects at once has
                # rejected before it accepts.
                asyncio.get_running_loop().call_soon(given.begin)
        else:
            given.respond(result)

    def _start(self, given: GivenCall, result: Awaitable[Any]) -> None:
        task = self._channel.tasks.start(
            self._finish(given, result), name=f"vestibule call {given.name}"
        )
        self._running[given.id] = (given, task)
        if inspect.iscoroutine(result):
            # A task that is cancelled before it begins leaves it unawaited.
            task.add_done_callback(lambda _: result.close())

    async def _finish(self, given: GivenCall, result: Awaitable[Any]) -> None:
        try:
            value = await result
        except asyncio.CancelledError as error:
            if self._running.get(given.id, (None,))[0] is not given:
                raise  # the caller has given up, or the connection is lost
            given.fail(error)
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's to see
            given.fail(error)
        else:
            given.respond(value)
        finally:
            if self._running.get(given.id, (None,))[0] is given:
                del self._running[given.id]
                self._finished.keep(given.id, given.name)

    def _withdrawn(self, notice: messages.CallWithdrawn) -> None:
        given, task = self._running.get(notice.call, (None, None))
        if given is None or task is None:
            return
        given.over = notice.code
        if notice.code not in _LATE:
            del self._running[notice.call]
            task.cancel()

    def _answer_refused(self, notice: messages.AnswerRefused) -> None:
        given, _ = self._running.get(notice.call, (None, None))
        name = self._finished.take(notice.call) if given is None else given.name
        accepting = notice.code == ErrorCode.MULTIPLE_ACCEPT
        self._channel.report(
            request_failed(
                notice.code,
                "the broker did not take an answer",
                {},
                topic=Topic.RPC,
                action=Action.ACCEPT if accepting else Action.RESPOND,
                name=name,
            )
        )

    def suspended(self, names: Sequence[str], code: str) -> None:
        """Suspend provisions."""
        for provision in self._named(names):
            provision.told = True
            provision.suspend((provision.name,), code)

    def resumed(self, names: Sequence[str]) -> None:
        """Resume provisions."""
        for provision in self._named(names):
            provision.told = True
            provision.resume((provision.name,))

    def _named(self, names: Sequence[str]) -> list[Provision]:
        return [self._provisions[name] for name in names if name in self._provisions]

    # What happens to the session.

    def lost(self) -> None:
        """Stop what cannot be answered any more."""
        running, self._running = self._running, {}
        self._finished.clear()
        for given, task in running.values():
            given.over = ErrorCode.CONNECTION_LOST
            task.cancel()

    async def reopen(self) -> None:
        """Provide everything again; what is refused now is suspended."""
        # Those that are being asked for the first time ask by themselves.
        live = [(n, p) for n, p in self._provisions.items() if p.live]
        await asyncio.gather(*(self._repeat(name, one) for name, one in live))

    async def _repeat(self, name: str, provision: Provision) -> None:
        provision.told = False
        try:
            answer = await self._channel.ask(
                lambda id_: messages.Provide(id_, name, again=True),
                PROVIDE,
                provision.name,
                again=True,
            )
        except RequestTimeout:
            raise
        except RequestFailed as error:
            if self._provisions.get(name) is provision:
                del self._provisions[name]
            self._channel.report(error)
            return
        if provision.told:
            return  # a notice behind the answer has said more
        if bytes(answer) == _NIL:
            provision.resume((provision.name,))
        else:
            provision.suspend((provision.name,), ErrorCode.PERMISSION_REVOKED)


_NIL: Final = bytes(messages.NIL)


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError("name is a str")


def _time(timeout: float) -> tuple[float, int]:
    """Give a time-out in seconds, checked, and in milliseconds for the wire."""
    wait = seconds(timeout, "timeout")
    return wait, max(1, min(math.ceil(wait * 1000), MAX_ID))


def _refusal(code: ErrorCode, text: str, provision: Provision) -> RequestFailed:
    return request_failed(
        code, text, {}, topic=Topic.RPC, action=Action.PROVIDE, name=provision.name
    )
