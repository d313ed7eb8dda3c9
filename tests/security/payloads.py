"""What is written into fields in the hope that a database will run it: texts, and objects in place of texts. S4."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

MONGO_OPERATORS: Final = (
    *("$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$not", "$or", "$and", "$nor", "$exists", "$type", "$expr"),
    *(
        "$where",
        "$regex",
        "$options",
        "$text",
        "$search",
        "$mod",
        "$all",
        "$elemMatch",
        "$size",
        "$function",
        "$comment",
    ),
    *(
        "$jsonSchema",
        "$set",
        "$unset",
        "$rename",
        "$push",
        "$lookup",
        "$out",
        "$merge",
        "$accumulator",
        "$$ROOT",
        "$ref",
    ),
)
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "sql": (
        *("' OR '1'='1", "' OR 1=1--", '" OR ""="', "'; DROP TABLE memories;--", "') OR owner_no > 0--", "1; SELECT 1"),
        *("' UNION SELECT content FROM memories--", "' UNION SELECT sql FROM sqlite_master--", "x' AND 0 OR 'a'='a"),
        *("'||(SELECT content FROM memories)||'", "\\'; --", "%' OR '%'='", "_%", "' OR owner_no IS NOT NULL --"),
        *(
            "'; ATTACH DATABASE '/tmp/x' AS x;--",
            "'; PRAGMA writable_schema=1;--",
            "load_extension('x')",
            "?1",
            ":owner",
        ),
        *(
            "'/**/OR/**/1=1#",
            "' OR json_extract(body,'$') --",
            "x'; VACUUM INTO '/tmp/y';--",
            "$$",
            "@@version",
            "\0' OR 1=1",
        ),
    ),
    "fts5": (
        *(
            '"',
            '""',
            "a NEAR(b c)",
            "NEAR(",
            "a OR",
            "AND",
            "NOT a",
            "a NOT",
            "content:secret",
            "words:*",
            "*",
            "sec*",
            "^my",
        ),
        *(
            "{content}:a",
            "- {a}: b",
            "(",
            ")",
            "a + b",
            '"a" "b',
            "a AND OR b",
            "rank:1",
            "memory_words",
            "owner:victim",
        ),
        *("(secret OR word) NOT x", "secret NEAR/2 word", '"secret word"', "{a b} : c", "a\"b'c", "::", "col : (x)"),
    ),
    "redisearch": (
        *(
            "*",
            "@owner:{*}",
            "@user_id:{victim}",
            "a|b",
            "-a",
            "~a",
            "=>[KNN 10 @v $B]",
            "(@n:[-inf inf])",
            "{a|*}",
            "%a%",
        ),
        *(
            "@owner:{victim|stranger}",
            "'*'",
            "\\*",
            "@__key:*",
            "FT.SEARCH idx *",
            "*\r\nKEYS *",
            "a\r\nFLUSHALL\r\n",
            "$B",
        ),
        *("EVAL 'return 1' 0", "*1\r\n$4\r\nPING\r\n", "c0:*", "[a-z]*", "h?llo", "{hash}tag"),
    ),
    "cypher": (
        *(
            "a`b",
            "`) DETACH DELETE n //",
            "' RETURN n //",
            "MATCH (n) RETURN n",
            "}) MATCH (m) RETURN m //",
            "n:Label|x",
        ),
        *(
            "$param",
            "{id: 1}",
            "'} ) WITH 1 as x MATCH (n) DELETE n //",
            "CALL dbms.components()",
            "LOAD CSV FROM 'x' AS y",
        ),
        *("[:KNOWS*0..]", "`:`", "apoc.load.json('http://127.0.0.1')", "/* */", "UNWIND [1] AS x RETURN x"),
    ),
    "javascript": (
        *(
            "__proto__",
            "constructor",
            "prototype",
            "toString",
            "this.owner",
            "function(){return true}",
            "return true",
            "1;sleep(1)",
        ),
        *(
            "{'$gt': ''}",
            '{"$ne": null}',
            "[$ne]=1",
            "true, $where: '1 == 1'",
            ", $where: '1'",
            "'; return '' == '",
            "||1==1",
        ),
        *(
            "db.memories.find()",
            "process.exit()",
            "require('fs')",
            "a.b.c",
            "$where",
            "$",
            ".",
            "a.",
            ".a",
            "..",
            "$a.b",
            "a$b",
        ),
    ),
    "templates and paths": (
        *(
            "{{7*7}}",
            "${7*7}",
            "#{7*7}",
            "<%= 7*7 %>",
            "{0.__class__}",
            "%s%n%x",
            "${jndi:ldap://127.0.0.1/a}",
            "{user}",
            "%(a)s",
        ),
        *(
            "../../etc/passwd",
            "..\\..\\x",
            "file:///etc/passwd",
            "http://169.254.169.254/",
            "/dev/null",
            "|id",
            "`id`",
            "$(id)",
        ),
        *(
            "<script>alert(1)</script>",
            "javascript:alert(1)",
            "\r\nSet-Cookie: a=b",
            "%0d%0aX: y",
            "%00",
            "%27%20OR",
            "\u2028",
            "\ufeff",
        ),
    ),
}
_AROUND: Final = ("{}", "secret {}", "{} secret", '"{}"')
"""Each text also comes within others."""


def texts() -> Iterator[tuple[str, str]]:
    """Yield (family, text): about six hundred."""
    for family, written in _TEXTS.items():
        for text in written:
            yield from ((family, around.replace("{}", text)) for around in _AROUND)


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (family, object that stands where a text, or an object of plain keys, should)."""
    for operator in MONGO_OPERATORS:
        for value in (1, "", None, [1], {"a": 1}):
            yield "mongodb operators", {operator: value}
    for key in ("a.b", "$a", "a.$ne", "source_user_id", "user_id", "_id", "owner", "metadata.$where", "__proto__", ""):
        yield "keys", {key: {"$gt": ""}}
        yield "keys", {"OR": [{key: "x"}, {"source_user_id": {"ne": "x"}}]}
