"""Text with `*` for any run of characters, matched in one pass from left to right."""

__all__ = ["glob_matches"]


def glob_matches(glob: str, text: str) -> bool:
    """Whether `text` fits; each piece between stars is looked for once."""
    first, *pieces = glob.split("*")
    if not pieces:
        return glob == text
    last = pieces.pop()
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for piece in pieces:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
