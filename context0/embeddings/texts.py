"""Any str made fit for UTF-8, which every tokenizer and every server wants."""


def valid_unicode(text: str) -> str:
    """Return `text` with each lone surrogate replaced by U+FFFD; pairs become the character that they spell."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
