"""nx-27017, repaired where it is not like MongoDB in ways that the contracts ask about, as a program of its own.

What was found in nx-27017 0.8.1, each against MongoDB's documented behaviour, and is put right here from outside:

1. dates written by an update become text, and compare by the second;
2. conditions look at no list along a path, `$in` of a list of documents finds nothing, `$nor` drops what lacks the
   field, true equals 1: filters are evaluated by `tests.mongo_matcher` here;
3. `$text` wants the whole phrase, anywhere in the document, and scores 0;
4. listIndexes forgets names, directions, text and partial filters of what createIndexes was told;
5. a compound index with `_id` in it is created, and makes every insert fail;
6. an update with bytes that meets a unique key is reported as a wrong command, not as a duplicate;
7. findAndModify loses $setOnInsert, leaves an empty document when its update fails, and reports errors as "not found".

What stays different: no explain, no retryable writes, no write concern, no stemming, no TTL; all in one process.
The store never relies on these repairs: `tests/unit/test_mongo_plain_nx.py` runs its main path on nx-27017 as it is.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from neosqlite.binary import Binary
from neosqlite.collection.cursor import Cursor
from neosqlite.collection.json_helpers import NeoSQLiteJSONEncoder
from neosqlite.collection.query_helper import _sql_updates
from neosqlite.collection.query_helper.query_builder import QueryBuilderMixin
from neosqlite.collection.sql_translator_unified import SQLTranslator
from nx_27017.handler import NeoSQLiteHandler
from nx_27017.nx_27017 import main

from tests.mongo_matcher import matches, text_score, texts_of

AS_PUBLISHED = "--as-published"
"""The argument that leaves the repairs out."""


def repair() -> None:
    """Replace what is listed above; fails at once if nx-27017 no longer has it."""
    _keep_dates_in_updates()
    _take_bytes_in_updates()
    _evaluate_filters_as_mongodb()
    _remember_index_options()
    _find_and_modify_as_mongodb()


def _keep_dates_in_updates() -> None:
    convert = _sql_updates._convert_bytes_to_binary

    def convert_dates_too(value: Any) -> Any:
        return {"$date": value.isoformat()} if isinstance(value, datetime) else convert(value)

    _sql_updates._convert_bytes_to_binary = convert_dates_too


def _take_bytes_in_updates() -> None:
    encode = NeoSQLiteJSONEncoder.default

    def default(self: Any, value: Any) -> Any:
        return Binary(value).encode_for_storage() if type(value) is bytes else encode(self, value)

    _replace(NeoSQLiteJSONEncoder, "default", default)


def _evaluate_filters_as_mongodb() -> None:
    def apply(_self: Any, query: Mapping[str, Any], document: dict[str, Any] | None) -> bool:
        if document is None or not matches(query, document):
            return False
        if "$text" in query:
            document["_textScore"] = text_score(query["$text"]["$search"], texts_of(document))
        return True

    _replace(QueryBuilderMixin, "_apply_query", apply)
    _replace(QueryBuilderMixin, "_build_simple_where_clause", lambda _self, _query: None)
    _replace(QueryBuilderMixin, "_build_sort_clause", lambda _self, _sort, _collation=None: "")
    _replace(QueryBuilderMixin, "_is_text_search_query", lambda _self, _query: False)
    _replace(Cursor, "_contains_datetime_operations", lambda _self, _query: False)
    _replace(SQLTranslator, "translate_match", lambda _self, _query, *_rest: (None, []))


def _remember_index_options() -> None:
    answer = NeoSQLiteHandler.handle_command
    told: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}

    def handle_command(self: Any, msg: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        body = next((document for kind, document in msg["sections"] if kind == "body"), {})
        asked = {**body, "indexes": [_bearable(spec) for spec in body["indexes"]]} if "createIndexes" in body else body
        others = [section for section in msg["sections"] if section[0] != "body"]
        request_id, reply = answer(self, {**msg, "sections": [("body", dict(asked)), *others]})
        database = body.get("$db", "")
        if "createIndexes" in body:
            specs = told.setdefault((database, body["createIndexes"]), {})
            specs.update({spec["name"]: _listed(spec) for spec in body["indexes"]})
        elif "dropIndexes" in body:
            told.get((database, body["dropIndexes"]), {}).pop(body["index"], None)
        elif "listIndexes" in body:
            specs = told.get((database, body["listIndexes"]), {})
            reply["cursor"]["firstBatch"] = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}, *specs.values()]
        elif "buildInfo" in body or "buildinfo" in body:
            reply["gitVersion"] = "nx-27017, repaired"
        return request_id, reply

    _replace(NeoSQLiteHandler, "handle_command", handle_command)


def _find_and_modify_as_mongodb() -> None:
    answer = NeoSQLiteHandler.handle_command

    def handle_command(self: Any, msg: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        body = next((document for kind, document in msg["sections"] if kind == "body"), {})
        if "findAndModify" not in body or body.get("remove") or not body.get("new"):
            return answer(self, msg)
        request_id = 0

        def ask(**command: Any) -> dict[str, Any]:
            nonlocal request_id
            whole = {**command, "$db": body["$db"]}
            request_id, reply = answer(self, {**msg, "sections": [("body", whole)]})
            return reply

        name = body["findAndModify"]
        with self._lock_for(body["$db"]):
            found = ask(find=name, filter=body["query"], sort=body.get("sort", {}), limit=1)["cursor"]["firstBatch"]
            query = {"_id": found[0]["_id"]} if found else body["query"]
            if not found and not body.get("upsert"):
                return request_id, {"ok": 1, "value": None}
            change = {"q": query, "u": body["update"], "upsert": bool(body.get("upsert"))}
            reply = ask(update=name, updates=[change])
            if "writeErrors" in reply:
                [error] = reply["writeErrors"]
                return request_id, {"ok": 0, "code": error["code"], "errmsg": error["errmsg"]}
            same = {"_id": query["_id"] if "_id" in query else reply["upserted"][0]["_id"]}
            after = ask(find=name, filter=same, projection=body.get("fields") or {}, limit=1)
            return request_id, {"ok": 1, "value": after["cursor"]["firstBatch"][0]}

    _replace(NeoSQLiteHandler, "handle_command", handle_command)


def _bearable(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {**spec, "key": {name: kind for name, kind in spec["key"].items() if name != "_id"}}


def _listed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return an index as MongoDB lists it: the words of a text index are weights."""
    words = [name for name, kind in spec["key"].items() if kind == "text"]
    if not words:
        return {"v": 2, **spec}
    plain = {name: kind for name, kind in spec["key"].items() if kind != "text"}
    return {"v": 2, **spec, "key": {**plain, "_fts": "text", "_ftsx": 1}, "weights": dict.fromkeys(words, 1)}


def _replace(owner: type, name: str, function: Any) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"nx-27017 has no {owner.__name__}.{name} any more; look at this module's repairs")
    setattr(owner, name, function)


def _end_with_the_parent() -> None:
    """End when the other end of stdin closes, which it does however the parent ends."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    logging.disable(logging.INFO)  # it logs every command twice
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    if AS_PUBLISHED in sys.argv:
        sys.argv.remove(AS_PUBLISHED)
    else:
        repair()
    sys.exit(main())
