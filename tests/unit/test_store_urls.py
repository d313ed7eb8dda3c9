"""Addresses of stores that are taken, and ones that are refused without a word of the password in them. S14."""

import pytest

from stores.registry import check_url


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:///a@b.db", "sqlite:////var/lib/[x].db", "memory://", "unix:///run/a@b.sock", "reference://"),
        *(
            "mongodb://h1:1,h2:2/x?w=1",
            "mongodb://u:p%2F@[::1]:27017/x",
            "mongodb+srv://u:p@host/x",
            "redis://:p@h:1/0",
        ),
    ],
)
def test_an_address_that_is_clear_is_taken(url: str) -> None:
    check_url(url, "store_url")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "redis:u:hidden@h",
            "u:hidden://h",
            "redis://u:hidden/x@h",
            "redis://u:hidden?x@h",
            "redis://u:[hidden@h",
        ),
        *(
            "redis://u:hidden@x@h",
            "redis://u:x@h:hidden",
            "redis://h:1hidden/0",
            "amqp://u:hidden@h:99999",
            "redis://u:hidden#@h",
        ),
    ],
)
def test_an_address_that_a_driver_would_misread_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"^store_url: ") as refused:
        check_url(url, "store_url")
    assert "hidden" not in str(refused.value)
