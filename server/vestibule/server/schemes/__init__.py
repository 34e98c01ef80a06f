"""Checking the proofs that only the directory can: by SCRAM, key and resume ticket.

Each checker says whose proof it is, before the authenticators are asked; none of them
lets anybody in. Whatever is wrong, the work and the answer are the same
(docs/protocol.md, "Login").
"""
