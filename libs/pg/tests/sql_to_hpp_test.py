#!/usr/bin/env python3
"""What sql_to_hpp.py refuses, each with the place and the cure, and what becomes of what it takes. (What becomes of declared lists is tested in libs/api.)"""
import pathlib
import subprocess
import sys
import tempfile

TOOL = pathlib.Path(__file__).parent.parent / "tools" / "sql_to_hpp.py"
LIST = """-- list: things
-- id: id uuid
-- sorts: at = t.at
SELECT t.id
  FROM things t
 WHERE t.company_id = :company
"""

REFUSED = [  # (what stands in the file, words of the refusal)
    ("SELECT 1", "a statement before any"),
    ("-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "stands twice"),
    ("-- name: a\n", "a has no statement"),
    ("-- name: a\nSELECT /*nothing*/", "names a part that is not there: nothing"),
    ("-- part: p\n/*p*/\n-- name: a\nSELECT /*p*/", "parts within parts without an end"),
    ("-- name: a\n-- without $2: b\nSELECT 1 WHERE x = $1 OR y = $2", "cannot be without $2"),
    ("-- name: a\nSELECT 1 FROM t WHERE x = $1 AND y = :y", "by name (:y) and by number"),
    (LIST.replace("-- id: id uuid\n", ""), "says what tells its rows apart"),
    (LIST.replace("uuid", "json"), "says what tells its rows apart"),
    (LIST.replace("-- sorts: at = t.at\n", ""), "says its orders"),
    (LIST.replace("  FROM things t\n", ""), "needs SELECT, FROM and WHERE"),
    (LIST + "   AND t.a = :a\n", "does not say the type of :a"),
    (LIST + "   AND t.a = 5\n", "is of no one filter"),
    (LIST + "   AND t.a = :a::text AND t.b = :b::text\n", "is of no one filter"),
    (LIST + "   AND t.a = :a::text\n   AND t.b = :a::text\n", "two lines of :a"),
    (LIST + "   AND t.at < :after::timestamptz\n", "is of no one filter"),
    (LIST.replace(" WHERE", "  LEFT JOIN cards USING (card_id)\n WHERE"), "has a join that ends in no"),
    (LIST.replace("-- sorts", "-- asks: a=words\n-- sorts"), "gives words to a, which is no filter"),
    (LIST.replace("-- sorts", "-- asks: a\n-- sorts") + "   AND t.a = :a::timestamptz\n", "cannot read a from a request: its type is timestamptz"),
    (LIST.replace("-- sorts", "-- asks: a=words\n-- sorts") + "   AND t.a = :a::uuid\n", "cannot read a from a request"),
    (LIST.replace("t.id\n  FROM", "t.id\n  FROM").replace(":company", ":firm"), "knows no :firm"),
]
TAKEN = [  # (what stands in the file, what stands in the header)
    ("-- name: a\n-- Why it is so.\nSELECT 1;\n", '/// Why it is so.\ninline constexpr pg::Query a{"one.a", R"sql(SELECT 1)sql"};'),
    ("-- part: p\nx, y\n-- name: a\nSELECT /*p*/ FROM t", "R\"sql(SELECT x, y FROM t)sql\""),
    ("-- name: a\n-- without $2: b\nSELECT 1 FROM t\n WHERE x = $1\n   AND y = $2\n   AND z = $3 AND v = $12", "R\"sql(SELECT 1 FROM t\n WHERE x = $1\n   AND z = $2 AND v = $11)sql\""),
    ("-- name: a\nSELECT 'a:b', now()::text, '{order}'", "SELECT 'a:b', now()::text, '{order}'"),
    ("-- name: a\nSELECT 1 FROM t WHERE x = :x::text AND y = :y AND (z = :x OR v[1:2] = '{1}')", "SELECT 1 FROM t WHERE x = $1::text AND y = $2 AND (z = $1 OR v[1:2] = '{1}')"),
    (LIST.replace("-- sorts", "-- asks: search, b, a=task_status\n-- sorts") + "   AND t.a = ANY (:a::text[])\n   AND t.b = :b::uuid\n   AND t.c = :c::uuid\n",
     'return {.a = asked.any_of("a", words::task_status), .b = asked.uuid("b")};'),
    (LIST + "   AND EXISTS (SELECT FROM leads l WHERE l.id = t.lead AND l.rep = :own::text)\n", "page, count, 0x2u, 5}"),  # whose they are decides the plan
    (LIST + "   AND t.rep = :own::text\n", "page, count, 0x0u, 5}"),
    ("-- name: n\nSELECT 1\n" + LIST, 'inline constexpr const pg::ListText* all[] = {&Things::text};'),
]


def run(text):
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder) / "x.sql", pathlib.Path(folder) / "sql.hpp"
        source.write_text(text)
        done = subprocess.run([sys.executable, str(TOOL), "--namespace", "otto::one::sql", "--out", str(out), str(source)], capture_output=True, text=True)
        return done.returncode, done.stderr, out.read_text() if out.exists() else ""


for text, words in REFUSED:
    code, said, _ = run(text)
    assert code == 1 and words in said and "x.sql:" in said, f"{text!r} must be refused with {words!r}, but: {code} {said}"
for text, expected in TAKEN:
    code, said, header = run(text)
    assert code == 0 and expected in header, f"{text!r} must become {expected!r}, but: {said} {header}"
print(f"{len(REFUSED)} refused and {len(TAKEN)} taken")
