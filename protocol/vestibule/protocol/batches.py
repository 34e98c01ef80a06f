"""Reading the batches of an admitted connection, at either end.

The fast way decodes a whole batch in one call and checks what it holds. Any fault sends
the batch down the slow way, message by message, where each fault finds its answer; the
fast way changes nothing until it has succeeded.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, get_args

import msgspec

from vestibule.protocol.errors import ErrorCode, FramingError, InvalidBody
from vestibule.protocol.events import Malformed
from vestibule.protocol.framing import Entry, count_messages, ends_of
from vestibule.protocol.limits import MAX_ID, WireLimits
from vestibule.protocol.messages import (
    AnyNotice,
    AnyRequest,
    AuthenticatorAnswered,
    Call,
    Publish,
    Reauthenticate,
    Request,
    Respond,
    Send,
)
from vestibule.protocol.skipping import count_nodes
from vestibule.protocol.values import DECODE_ERRORS, BodyCheck, body_check


__all__ = ["NoticeReader", "RequestReader"]

_REQUESTS: Final = {kind.__struct_config__.tag: kind for kind in get_args(AnyRequest)}
_NOTICES: Final = {kind.__struct_config__.tag: kind for kind in get_args(AnyNotice)}

_BODIED: Final = (
    Publish,
    Call,
    Send,
    Respond,
    AuthenticatorAnswered,
    Reauthenticate,
)
"""The requests and answers with a body; a test compares this with their fields."""

_HAS_ID: Final = 1
_HAS_BODY: Final = 2

# By class: `isinstance` costs five times as much for a class that msgspec made.
_TRAITS: Final[dict[type[Any], int]] = {
    kind: _HAS_ID * issubclass(kind, Request) + _HAS_BODY * issubclass(kind, _BODIED)
    for kind in _REQUESTS.values()
}

_one_request: Final = msgspec.msgpack.Decoder(AnyRequest).decode
_requests: Final = msgspec.msgpack.Decoder(list[AnyRequest]).decode
_one_notice: Final = msgspec.msgpack.Decoder(AnyNotice).decode
_notices: Final = msgspec.msgpack.Decoder(list[AnyNotice]).decode

_ARRAY_32: Final = b"\xdd"

M = TypeVar("M")


class _Reader(Generic[M]):
    """What both readers share: decoding a batch at once, gathering one by one."""

    __slots__ = ("_expects_one", "_gathering", "_many", "_most", "_one")

    def __init__(
        self,
        one: Callable[[bytes], M],
        many: Callable[[bytes], list[M]],
        limits: WireLimits,
    ) -> None:
        self._one: Final = one
        self._many: Final = many
        self._most: Final = limits.batch_messages
        # A peer that pipelines goes on to: counting first is then the cheaper guess.
        self._expects_one = True
        self._gathering: list[M | Malformed] = []

    def _decode(self, batch: bytes) -> list[M]:
        """Decode a batch of messages from tag 16 on.

        Raises:
            FramingError, or one of `DECODE_ERRORS`: it is anything else.
        """
        if self._expects_one:
            try:
                return [self._one(batch)]
            except msgspec.DecodeError:
                pass
        count = count_messages(batch, self._most)
        self._expects_one = count == 1
        if count == 1:
            return [self._one(batch)]
        if not 0 < count <= self._most:
            raise FramingError("no messages, or too many")
        # The header of an array in front of a batch makes it one value.
        return self._many(_ARRAY_32 + count.to_bytes(4, "big") + batch)

    def take_gathered(self) -> list[M | Malformed]:
        """Give what was gathered since the last time."""
        gathered, self._gathering = self._gathering, []
        return gathered


class RequestReader(_Reader[AnyRequest]):
    """What a broker makes of the messages from tag 16 on of one connection.

    It keeps the rule that request ids grow strictly, logins included.
    """

    __slots__ = ("_check", "_nodes", "last_id")

    def __init__(self, limits: WireLimits) -> None:
        super().__init__(_one_request, _requests, limits)
        self.last_id = 0
        self._nodes: Final = limits.data_nodes
        # The message's own array is one container.
        self._check: Final[BodyCheck] = body_check(limits.data_depth - 1)

    def take_id(self, number: int) -> None:
        """Take the id of a request or login.

        Raises:
            FramingError: it is out of range or does not grow.
        """
        if not self.last_id < number <= MAX_ID:
            raise FramingError("a request id that does not grow")
        self.last_id = number

    def read_batch(self, batch: bytes) -> list[AnyRequest] | None:
        """Read a batch of nothing but good requests; None where it is anything else."""
        last_id = self.last_id
        check = self._check
        shallow = check.shallow
        try:
            if len(batch) > self._nodes and not self._is_frugal(batch):
                return None
            messages = self._decode(batch)
            message: Any  # `_TRAITS` says what it has
            for message in messages:
                traits = _TRAITS[message.__class__]
                if traits & _HAS_ID:
                    if message.id <= last_id:
                        return None
                    last_id = message.id
                if traits & _HAS_BODY:
                    try:
                        shallow(message.data)
                    except DECODE_ERRORS:
                        check(message.data)
        except (*DECODE_ERRORS, FramingError, InvalidBody):
            return None
        self.last_id = last_id
        return messages

    def _is_frugal(self, batch: bytes) -> bool:
        """Whether no message is long enough to hold more values than it may."""
        start = 0
        for end in ends_of(batch, self._most):
            if end - start > self._nodes:
                return False
            start = end
        return True

    def gather(self, entry: Entry) -> None:
        """Read one message from tag 16 on and keep it for `take_gathered`.

        Raises:
            FramingError: its request id is out of range or does not grow.
        """
        self._gathering.append(self._read(entry))

    def _read(self, entry: Entry) -> AnyRequest | Malformed:
        tag, number, data = entry
        kind = _REQUESTS.get(tag)
        if kind is None:
            return Malformed(_readable(number), ErrorCode.UNKNOWN_ACTION, tag)
        named = call = 0
        if not issubclass(kind, Request):
            call = _readable(number)
        elif number is not None:
            self.take_id(number)
            named = number
        # Counted before it is decoded: a mebibyte of empty maps would take 67 MB.
        if len(data) <= self._nodes or count_nodes(data, self._nodes) <= self._nodes:
            try:
                message = self._one(data)
                if isinstance(message, _BODIED):
                    self._check(message.data)
            except (*DECODE_ERRORS, InvalidBody):
                pass
            else:
                return message
        return Malformed(named, ErrorCode.INVALID_MESSAGE_DATA, tag, call)


class NoticeReader(_Reader[AnyNotice]):
    """What a client makes of the messages from tag 16 on. It checks no bodies."""

    __slots__ = ()

    def __init__(self, limits: WireLimits) -> None:
        super().__init__(_one_notice, _notices, limits)

    def read_batch(self, batch: bytes) -> list[AnyNotice] | None:
        """Read a batch of nothing but good notices; None where it is anything else."""
        try:
            return self._decode(batch)
        except (*DECODE_ERRORS, FramingError):
            return None

    def gather(self, entry: Entry) -> None:
        """Read one message from tag 16 on and keep it for `take_gathered`."""
        tag, number, data = entry
        code = ErrorCode.UNKNOWN_ACTION
        if tag in _NOTICES:
            try:
                self._gathering.append(self._one(data))
            except DECODE_ERRORS:
                code = ErrorCode.INVALID_MESSAGE_DATA
            else:
                return
        self._gathering.append(Malformed(_readable(number), code, tag))


def _readable(number: int | None) -> int:
    """Give a number that can name a request or call, else 0."""
    return number if number is not None and 0 < number <= MAX_ID else 0
