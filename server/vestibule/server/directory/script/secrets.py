"""What hashing has found out about the passwords of a script.

A transaction waits for nothing, so a script with passwords is tried first. Whatever it
asks about a password is noted, hashed outside, and it is tried again.
"""

from vestibule.server.directory.verifier import Verifier, canonical_password


__all__ = ["Answers"]


class Answers:
    """Answers what is known, and notes the rest with an answer that is supposed."""

    def __init__(self) -> None:
        self._right: dict[Verifier, bytes] = {}
        """The password of a verifier."""
        self._wrong: set[tuple[Verifier, bytes]] = set()
        self._made: dict[int, Verifier] = {}
        self.asked: dict[tuple[Verifier, bytes], str] = {}
        """Passwords that are to be compared with a verifier."""
        self.wanted: dict[int, str] = {}
        """Passwords that are to be hashed anew, by the line that sets them."""

    @property
    def complete(self) -> bool:
        """Whether nothing was supposed since `begin`."""
        return not self.asked and not self.wanted

    def begin(self) -> None:
        """Forget what was noted: the script is tried anew."""
        self.asked.clear()
        self.wanted.clear()
        for line in [line for line, one in self._made.items() if not one.salt]:
            self._right.pop(self._made.pop(line), None)

    def matches(self, verifier: Verifier, password: str, *, supposed: bool) -> bool:
        """Tell whether a verifier is that of a password, `supposed` if nobody knows."""
        known = self.known(verifier, password)
        if known is None:
            self.asked[verifier, canonical_password(password)] = password
            return supposed
        return known

    def known(self, verifier: Verifier, password: str) -> bool | None:
        """Tell the same, None if nobody knows."""
        canonical = canonical_password(password)
        right = self._right.get(verifier)
        if right is not None:
            return right == canonical
        return False if (verifier, canonical) in self._wrong else None

    def verifier(self, line: int, password: str) -> Verifier:
        """Give the verifier of what a line sets, perhaps one that only stands for it."""
        made = self._made.get(line)
        if made is None:
            self.wanted[line] = password
            made = self._made[line] = Verifier(b"", line, 0, b"", b"")
            self._right[made] = canonical_password(password)
        return made

    def found(self, verifier: Verifier, password: str, *, right: bool) -> None:
        """Note whether a verifier is that of a password."""
        canonical = canonical_password(password)
        if right:
            self._right[verifier] = canonical
        else:
            self._wrong.add((verifier, canonical))

    def made(self, line: int, password: str, verifier: Verifier) -> None:
        """Note the verifier of what a line sets."""
        self._made[line] = verifier
        self._right[verifier] = canonical_password(password)
