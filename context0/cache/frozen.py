"""JSON data that nobody can change: what a cache hands out again and again, without a copy for each who asks."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

_REFUSAL: Final = "this is shared by all who ask for it; change a copy: dict(…), list(…) or copy.deepcopy(…)"


def _refuse(*_: object, **__: object) -> NoReturn:
    raise TypeError(_REFUSAL)


class FrozenDict(dict[str, Any]):
    """A dictionary, for whoever reads it; equal to a plain one. Copies, also deep and pickled ones, are plain."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, _: object) -> dict[str, Any]:
        return {key: thawed(value) for key, value in self.items()}

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (self.__deepcopy__(None),)


class FrozenList(list[Any]):
    """A list, for whoever reads it; equal to a plain one. Copies, also deep and pickled ones, are plain."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse

    def __deepcopy__(self, _: object) -> list[Any]:
        return [thawed(value) for value in self]

    def __reduce__(self) -> tuple[type, tuple[list[Any]]]:
        return list, (self.__deepcopy__(None),)


def frozen(value: Any) -> Any:
    """Return JSON data as it is, but unchangeable, all the way down."""
    if isinstance(value, Mapping):
        return FrozenDict({key: frozen(item) for key, item in value.items()})
    return FrozenList([frozen(item) for item in value]) if isinstance(value, list) else value


def thawed(value: Any) -> Any:
    """Return frozen data as plain data that belongs to the caller."""
    return value.__deepcopy__(None) if isinstance(value, FrozenDict | FrozenList) else value
