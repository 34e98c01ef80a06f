"""Putting together what decides logins: the chain, what checks proofs, the judge."""

from vestibule.protocol.logins import Scheme
from vestibule.server.attempts import TOKEN
from vestibule.server.authenticators import (
    Builder,
    Chain,
    DirectoryAuthenticator,
)
from vestibule.server.features.authenticating import Authenticating
from vestibule.server.ground import Ground
from vestibule.server.judging import Judge, ProofChecker
from vestibule.server.lockout import AddressFailures, Lockout
from vestibule.server.schemes.key import KeyChecker
from vestibule.server.schemes.scram import ScramChecker
from vestibule.server.schemes.ticket import TicketChecker
from vestibule.server.schemes.tickets import Tickets
from vestibule.server.token_logins import TokenLogins


__all__ = ["make_chain", "make_judge"]


def make_chain(
    ground: Ground, lockout: Lockout, authenticating: Authenticating
) -> Chain:
    """Make the configured chain."""
    return Builder(
        config=ground.config,
        hooks=ground.hooks,
        directory=ground.directory,
        asking=authenticating,
        tasks=ground.tasks,
        locked=lockout.locked,
        clock=ground.loop.time,
        wall=ground.wall,
    ).chain()


def make_judge(
    ground: Ground,
    lockout: Lockout,
    addresses: AddressFailures,
    tickets: Tickets,
    logins: TokenLogins,
    chain: Chain,
) -> Judge:
    """Make what decides logins."""
    return Judge(
        chain=chain,
        directory=ground.directory,
        lockout=lockout,
        addresses=addresses,
        turnstile=lockout.turnstile,
        sessions=ground.sessions,
        sessions_per_user=ground.config.limits.sessions_per_user,
        counters=ground.counters,
        audit=ground.audit,
        checkers=_checkers(ground, tickets, logins),
        entry=logins,
    )


def _checkers(
    ground: Ground, tickets: Tickets, logins: TokenLogins
) -> dict[str, ProofChecker]:
    """Make what checks proofs, by scheme; only the directory lets in by proof."""
    checkers: dict[str, ProofChecker] = {}
    if not ground.config.asks(DirectoryAuthenticator.name):
        return checkers
    checkers[TOKEN] = logins
    if ground.config.encryption == "required":
        # Without encryption there is nothing that binds a proof to its connection.
        checkers[Scheme.SCRAM] = ScramChecker(ground.directory)
        checkers[Scheme.KEY] = KeyChecker(ground.directory)
        checkers[Scheme.TICKET] = TicketChecker(ground.directory, tickets)
    return checkers
