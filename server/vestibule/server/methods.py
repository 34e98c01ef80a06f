"""Serving calls of the broker's own methods, at `<broker name>/<component>/<method>`."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Raw

from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode, encode_body
from vestibule.protocol.errors import CloseCode, ErrorCode, InvalidBody
from vestibule.protocol.names import Name
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server import replies
from vestibule.server.components import Caller, Component, Method
from vestibule.server.delivery import Delivery
from vestibule.server.errors import RequestError, limit_exceeded
from vestibule.server.gate import Gate, Right, Ruling, Standing, component_right
from vestibule.server.session import Session
from vestibule.server.tasks import Tasks
from vestibule.server.verdict import Denied


__all__ = ["OwnMethods"]


class OwnMethods:
    """The components of the broker's own, called like any method."""

    def __init__(
        self,
        broker_name: str,
        components: Iterable[Component],
        *,
        gate: Gate,
        delivery: Delivery,
        tasks: Tasks,
    ) -> None:
        self._broker_name: Final = broker_name
        self._components: Final = {one.name: one for one in components}
        self._gate: Final = gate
        self._delivery: Final = delivery
        self._tasks: Final = tasks
        self._calling: Final[set[Session]] = set()
        self._rights: dict[tuple[GlobalPermission, ...] | None, Right] = {}

    def has(self, name: Name) -> bool:
        """Whether `name` lies under one of these components."""
        first, _, rest = name.partition("/")
        return first == self._broker_name and rest.partition("/")[0] in self._components

    def busy(self, session: Session) -> bool:
        """Whether a call of the session is under way."""
        return session in self._calling

    def _method(self, name: Name) -> Method | None:
        _, component, *rest = name.segments
        if len(rest) != 1:
            return None
        return self._components[component].methods.get(rest[0])

    def _right(self, method: Method | None) -> Right:
        needs = () if method is None else method.needs
        right = self._rights.get(needs)
        if right is None:
            right = self._rights[needs] = component_right(needs)
        return right

    async def call(self, session: Session, request: messages.Call, name: Name) -> None:
        """Decide, call, and answer with the result.

        The gate is asked before arguments are looked at and before it is told whether
        there is such a method. A session has one call at a time under way: its messages
        are handled one after the other.

        Raises:
            RequestError: the gate refuses, there is no such method, or it refuses.
        """
        self._calling.add(session)
        try:
            await self._call(session, request, name)
        finally:
            self._calling.discard(session)

    async def _call(self, session: Session, request: messages.Call, name: Name) -> None:
        method = self._method(name)
        right = self._right(method)
        ruling = self._gate.decide(session, right, name, request.data)
        decided = ruling if isinstance(ruling, Ruling) else await ruling
        if isinstance(decided.verdict, Denied):
            raise replies.denial(decided.verdict)
        if method is None:
            raise RequestError(ErrorCode.NO_RPC_PROVIDER)
        caller = Caller(session.username, session.id, session.bound)
        data = decode_body(request.data if decided.body is None else decided.body)
        try:
            result = await self._finish(method, caller, data)
            if session.ended:
                return
            if session.ends_with is None:
                standing = Standing(session, right, None)
                self._answer(session, request.id, standing, name, result)
            else:
                # It has ended itself; the answer is the last thing that it gets.
                replies.answer(session, request.id, result)
        except RequestError as error:
            if session.ends_with is None or session.ended:
                raise
            replies.refuse(session, request.id, error)
        finally:
            if session.ends_with is not None and not session.ended:
                session.link.end(CloseCode.SESSION_REVOKED, session.ends_with)

    async def _finish(self, method: Method, caller: Caller, data: Any) -> Any:
        """Run the method to its end, also when its caller leaves meanwhile.

        What it began, such as a change of the directory, is whole or not at all.
        """
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                result = await method.call(caller, data)
            except Exception as problem:  # noqa: BLE001 - handed to whoever awaits
                if not outcome.done():
                    outcome.set_exception(problem)
            else:
                if not outcome.done():
                    outcome.set_result(result)

        self._tasks.start(run(), name=f"method {method.name}")
        return await outcome

    def _answer(
        self,
        session: Session,
        request: int,
        standing: Standing,
        name: Name,
        result: Any,
    ) -> None:
        try:
            body = Raw(encode_body(result))
        except InvalidBody:
            # The result is data, but more than one message carries: ask for less.
            raise limit_exceeded("limits.message_bytes") from None
        message = encode(messages.Answered(request, body))
        self._delivery.check_size(message)

        def denied(verdict: Denied) -> None:
            replies.refuse(session, request, replies.denial(verdict))

        self._delivery.deliver(session, (standing,), name, body, message, denied)
