#!/usr/bin/env python3
"""Turns sql/*.sql into a header of named queries and declared lists.

A file holds pieces, each begun by a line that says what it is; comment lines that follow become the constant's comment.

    -- name: raise_call_status          a statement, with parameters $1, $2 or :company, :id, which then are numbered as they first stand
    -- without $5: all_figures          … and the same under another name, without the AND lines that hold $5
    -- part: card_columns               a text that stands in others where they say /*card_columns*/; also of --parts

    -- list: tasks                      a list: its page, its count, its filters by name (pg/list_text.hpp, api/list.hpp)
    -- id: id uuid                      … the column that tells its rows apart: uuid, bigint or text
    -- sorts: created_at = t.created_at; due_at = coalesce(t.due_at,t.created_at)
    -- total: tasks                     … if all rows of that table are the list, and `list_totals` keeps how many
    -- weighs: status                   … filters whose values decide which index is right, beside days, searches and own rows of another table
    -- asks: status=task_status, overdue, search   … what a request may name: filters, read as their types say, with the words of the contract that one takes; names that are no filter the service reads itself
    SELECT t.description, k.first_name                what a row shows: the page is chosen first, and joins for this alone are made for its rows
      FROM tasks t                                    the table that is listed, under the name by which everything else calls it
      LEFT JOIN LATERAL (…) k ON true                 a line a join; it is made where its name is needed
      /*to count*/ JOIN cards k ON …                  … and so where rows are counted, if that is better done otherwise
     WHERE t.company_id = :company
       AND t.assignee_id = :own::text                 whose rows a person sees who sees own ones only; without this line such a person sees none
       AND t.status = ANY (:status::text[])           one line a filter, left out where the filter is not given; its type at its first place
"""
import argparse
import pathlib
import re
import sys

TYPES = {"uuid": "uuid", "bigint": "number", "text": "text"}
STANDARD = ["company", "own", "after", "after_id", "offset"]  # pg::ListText::Parameter
READ_AS = {"text[]": "any_of", "boolean": "truth", "uuid": "uuid", "text": "text", "uuid[]": "uuids", "bigint[]": "numbers", "bigint": "number"}  # members of api::Asked; a telephone number is text and stands in a filter of that name
PARAMETER = re.compile(r"(?<![\w:']):([a-z_]+)")


class Piece:
    def __init__(self, place, what, name):
        self.place, self.what, self.name = place, what, name
        self.doc, self.body, self.notes = [], [], {}

    def text(self):
        return "\n".join(self.body).strip().rstrip(";")

    def fail(self, why):
        sys.exit(f"{self.place}: {self.name} {why}")


def pieces_of(path):
    piece = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        head = re.fullmatch(r"--\s*(name|part|list):\s*([a-z][a-z0-9_]*)\s*", line)
        note = re.fullmatch(r"--\s*(id|sorts|total|asks|weighs|without \$\d+):\s*(.*?)\s*", line)
        if head:
            if piece:
                yield piece
            piece = Piece(f"{path}:{number}", *head.groups())
        elif piece and not piece.body and note and (piece.what == "list" or note.group(1).startswith("without")):
            piece.notes[note.group(1)] = ", ".join(filter(None, [piece.notes.get(note.group(1), ""), note.group(2)]))
        elif piece and not piece.body and line.startswith("--"):
            piece.doc.append(line[2:].strip())
        elif piece:
            piece.body.append(line)
        elif line.strip() and not line.startswith("--"):
            sys.exit(f"{path}:{number}: a statement before any '-- name:' line")
    if piece:
        yield piece


def put_in(piece, parts):
    """The piece's text with its parts put in, and theirs."""
    text = piece.text()
    if not text:
        piece.fail("has no statement")
    for _ in range(10):
        named = re.search(r"/\*([a-z_]+)\*/", text)
        if not named:
            return text
        if named.group(1) not in parts:
            piece.fail(f"names a part that is not there: {named.group(1)}")
        text = text.replace(named.group(0), parts[named.group(1)])
    piece.fail("has parts within parts without an end")


def literal(text):
    return f'R"sql({text})sql"'


def constant(service, name, doc, text):
    return [f"/// {line}" for line in doc] + [f'inline constexpr pg::Query {name}{{"{service}.{name}", {literal(text)}}};']


def numbered(piece, text):
    """The statement with its named parameters as numbers, in the order in which they first stand."""
    names = list(dict.fromkeys(PARAMETER.findall(text)))
    if not names:
        return text
    if re.search(r"\$\d", text):
        piece.fail(f"has parameters by name (:{names[0]}) and by number")
    return PARAMETER.sub(lambda match: f"${names.index(match.group(1)) + 1}", text)


def without(piece, text, number):
    """The statement without the lines of one parameter; those behind it move up."""
    lines = []
    for line in text.split("\n"):
        if not re.search(rf"\${number}(?!\d)", line):
            lines.append(re.sub(r"\$(\d+)", lambda m: f"${int(m.group(1)) - (int(m.group(1)) > number)}", line))
        elif not line.strip().startswith("AND "):
            piece.fail(f"cannot be without ${number}, which stands in a line that begins with no AND: {line.strip()}")
    return "\n".join(lines)


def clauses(text):
    """The lines of a statement, each with those that belong to it: a clause begins on a line of its own outside of parentheses."""
    out, depth = [], 0
    for line in text.split("\n"):
        begins = re.match(r"\s*(?:/\*to count\*/\s*)?(SELECT|FROM|WHERE|AND|(?:LEFT |CROSS )?JOIN)\b", line)
        if not out or (depth == 0 and begins):
            out.append([begins.group(1) if begins else "", line.rstrip()])
        else:
            out[-1][1] += "\n" + line.rstrip()
        depth += line.count("(") - line.count(")")
    return out


class List:
    """One declared list, written as C++."""

    def __init__(self, service, piece, text):
        self.service, self.piece, self.name = service, piece, piece.name
        self.cut, self.lines = [], {"page": [], "count": []}
        id_note = piece.notes.get("id", "").split()
        if len(id_note) != 2 or id_note[1] not in TYPES:
            piece.fail(f"says what tells its rows apart: -- id: <column> <{' | '.join(TYPES)}>")
        self.id, self.id_type = id_note
        self.sorts = [tuple(part.strip() for part in sort.split("=", 1)) for sort in piece.notes.get("sorts", "").split(";")]
        if any(len(sort) != 2 for sort in self.sorts):
            piece.fail("says its orders: -- sorts: <name> = <column>; …")
        asks = [part.strip().partition("=") for part in piece.notes.get("asks", "").split(",") if part.strip()]
        self.asks = {name.strip(): words.strip() for name, _, words in asks}
        self.weighed = [name.strip() for name in piece.notes.get("weighs", "").split(",") if name.strip()]
        self.read(text)
        self.write()

    def read(self, text):
        self.select = self.base = self.where = None
        self.joins, self.counted, self.conditions = [], {}, []
        for word, line in clauses(text):
            if word == "SELECT":
                self.select = line.strip()[len("SELECT "):]
            elif word == "FROM":
                self.base = line.strip()[len("FROM "):]
            elif word.endswith("JOIN"):
                alias = re.search(r"(\w+) ON ", line[line.rfind(")") if " ON true" in line else 0:])
                if not alias:
                    self.piece.fail(f"has a join that ends in no '<name> ON …': {line.strip()}")
                if "/*to count*/" in line:
                    self.counted[alias.group(1)] = line.replace("/*to count*/", "").strip()
                else:
                    self.joins.append((alias.group(1), line.strip()))
            elif word == "WHERE":
                self.where = line.strip()
            elif word == "AND":
                self.conditions.append(line.strip()[len("AND "):])
            else:
                self.piece.fail(f"has a line that belongs to no clause: {line.strip()}")
        if not self.select or not self.base or not self.where:
            self.piece.fail("needs SELECT, FROM and WHERE, each at the beginning of a line")
        self.alias = self.base.split()[-1]
        self.filters, self.types = [], {"own": "text"}
        for condition in self.conditions:
            names = list(dict.fromkeys(PARAMETER.findall(condition)))
            if len(names) != 1 or names[0] in ("company", "after", "after_id", "offset"):
                self.piece.fail(f"has a condition that is of no one filter: {condition}")
            kind = re.search(rf":{names[0]}::([a-z]+(?:\[\])?)", condition)
            if not kind:
                self.piece.fail(f"does not say the type of :{names[0]}")
            if names[0] != "own":
                if names[0] in self.filters:
                    self.piece.fail(f"has two lines of :{names[0]}")
                self.filters.append(names[0])
            self.types[names[0]] = kind.group(1)
        if unknown := set(self.weighed) - set(self.filters):
            self.piece.fail(f"weighs {', '.join(sorted(unknown))}, which is no filter of it")
        self.parameters = STANDARD + self.filters
        if len(self.parameters) > 60:
            self.piece.fail("has too many filters for the bits of a number")

    def asked(self):
        """What a request may name, and the filters that are read from it."""
        read = []
        for name, words in self.asks.items():
            if name not in self.filters:
                if words:
                    self.piece.fail(f"gives words to {name}, which is no filter of it")
                continue
            how = "phone" if name == "phone" else READ_AS.get(self.types[name])
            if not how or (words and how != "any_of"):
                self.piece.fail(f"cannot read {name} from a request: its type is {self.types[name]}")
            read.append((name, f'asked.{how}("{name}"{f", words::{words}" if words else ""})'))
        return [f"    static constexpr std::array<std::string_view, {len(self.asks)}> asks{{{', '.join(f'{chr(34)}{name}{chr(34)}' for name in self.asks)}}};",
                "    /// Those filters that a request names by themselves.",
                "    static Filters asked([[maybe_unused]] const auto& asked) {", f"        return {{{', '.join(f'.{name} = {value}' for name, value in self.in_order(read))}}};", "    }"]

    def in_order(self, read):
        return sorted(read, key=lambda filter: self.filters.index(filter[0]))

    def bits(self, condition):
        return sum(1 << self.parameters.index(name) for name in set(PARAMETER.findall(condition)))

    def weighs(self, name, condition):
        """How many rows a date range, a search or somebody's own in another table leave decides between a walk along the order and a search of its own."""
        if name == "own":
            return condition.startswith("EXISTS (")
        kind = self.types[name]
        found = re.match(rf"{re.escape(self.alias)}\.{re.escape(self.id)} = ANY \(", condition)
        return kind in ("date", "timestamptz") or "LIKE ALL" in condition or found is not None or name in self.weighed

    def pieces(self, text):
        """Numbers of the pieces that the text is, cut behind each place where something is put in."""
        begin = len(self.cut)
        slots = {"order": -2, "direction": -3, "beyond": -4, "rows": -5}
        at = 0
        for match in re.finditer(PARAMETER.pattern + r"|\{(order|direction|beyond|rows)\}", text):
            name = match.group(1)
            if name and name not in self.parameters:
                self.piece.fail(f"knows no :{name}")
            self.cut.append((text[at:match.start()], self.parameters.index(name) if name else slots[match.group(2)]))
            at = match.end()
        if at < len(text) or begin == len(self.cut):
            self.cut.append((text[at:], -1))
        return begin, len(self.cut)

    def line(self, statement, text, when=0, opened=None):
        begin, end = self.pieces(text)
        open_begin, open_end = self.pieces(opened) if opened else (begin, end)
        self.lines[statement].append((when, begin, end, open_begin, open_end))

    @staticmethod
    def names(text, alias):
        return re.search(rf"(?<![\w.]){re.escape(alias)}\.", text) is not None

    def needed(self, texts_with_bits):
        """(join's name, its text, when it is made): 0 for always, None for never. A join that another one needs is made with it."""
        when = {}
        for alias, text in reversed(self.joins):
            bits, ever, always = 0, False, False
            for other, of in texts_with_bits:
                if self.names(other, alias):
                    ever, always, bits = True, always or of == 0, bits | of
            for later, later_text in self.joins:
                if later != alias and when.get(later) is not None and self.names(later_text, alias):
                    ever, always, bits = True, always or when[later] == 0, bits | when[later]
            when[alias] = None if not ever else 0 if always else bits
        return [(alias, text, when[alias]) for alias, text in self.joins]

    def choose(self, statement):
        """Joins and conditions by which rows are chosen."""
        always = [(self.where, 0)] + ([(column, 0) for _, column in self.sorts] if statement == "page" else [])
        for alias, text, when in self.needed(always + [(c, self.bits(c)) for c in self.conditions]):
            if when is not None:
                self.line(statement, "  " + (self.counted.get(alias, text) if statement == "count" else text), when)
        self.line(statement, " " + self.where)
        if statement == "page":
            place = f"({{order}}, {self.alias}.{self.id}) {{beyond}} (:after::timestamptz, :after_id::{self.id_type})"
            self.line(statement, f"   AND {place}", 1 << STANDARD.index("after"), f"   AND (:after::timestamptz IS NULL OR {place})")
        if "own" not in self.types or not any(":own" in c for c in self.conditions):
            self.line(statement, "   AND false", 1 << STANDARD.index("own"), "   AND (:own::text IS NULL)")
        for condition in self.conditions:
            name = PARAMETER.search(condition).group(1)
            self.line(statement, f"   AND ({condition})", self.bits(condition), f"   AND (:{name}::{self.types[name]} IS NULL OR {condition})")

    def write(self):
        shown = self.needed([(self.select, 0)])
        beside = [text for _, text, when in shown if when is not None]
        if beside:
            self.line("page", f"SELECT {self.select}, {self.alias}.sort_at\n  FROM (")
            self.line("page", f"SELECT {self.alias}.*, {{order}} AS sort_at\n  FROM {self.base}")
        else:
            self.line("page", f"SELECT {self.select}, {{order}} AS sort_at\n  FROM {self.base}")
        self.choose("page")
        self.line("page", f" ORDER BY {{order}} {{direction}}, {self.alias}.{self.id} {{direction}}\n LIMIT {{rows}}")
        self.line("page", " OFFSET :offset", 1 << STANDARD.index("offset"))
        if beside:
            self.line("page", f"       ) {self.alias}")
            for text in beside:
                self.line("page", "  " + text)
            self.line("page", f" ORDER BY {self.alias}.sort_at {{direction}}, {self.alias}.{self.id} {{direction}}")
        self.line("count", f"SELECT count(*) AS n FROM (\nSELECT 1 FROM {self.base}")
        self.choose("count")
        self.line("count", " LIMIT 10001) counted")

    def header(self):
        struct = "".join(word.capitalize() for word in self.name.split("_"))
        fields = "".join(f"        pg::Param {name} = nullptr;\n" for name in self.filters)
        weigh = sum(self.bits(c) for c in self.conditions if self.weighs(PARAMETER.search(c).group(1), c))
        lines = {name: ", ".join("{0x%xu, %d, %d, %d, %d}" % line for line in self.lines[name]) for name in self.lines}
        out = [f"/// {line}" for line in self.piece.doc]
        out += [f"struct {struct} {{", "    struct Filters {", f"{fields}        pg::Params params() const {{ return {{{', '.join(self.filters)}}}; }}", "    };"]
        out += ["    static constexpr pg::ListText::Piece pieces[] = {"]
        out += [f"        {{{literal(text)}, {slot}}}," for text, slot in self.cut]
        out += ["    };", f"    static constexpr pg::ListText::Line page[] = {{{lines['page']}}};", f"    static constexpr pg::ListText::Line count[] = {{{lines['count']}}};"]
        out += ["    static constexpr pg::ListText::Sort sorts[] = {" + ", ".join(f'{{"{name}", {literal(column)}}}' for name, column in self.sorts) + "};"]
        out += [f'    static constexpr pg::ListText text{{"{self.service}.{self.name}", "{self.id}", pg::ListText::Id::{TYPES[self.id_type]}, "{self.piece.notes.get("total", "")}", sorts, pieces, page, count, '
                f"0x{weigh:x}u, {len(self.parameters)}}};"] + self.asked() + ["};"]
        return struct, out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--parts", action="append", default=[], type=pathlib.Path, help="a file whose parts may be named, beside those of the files themselves")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    service = args.namespace.replace("otto::", "").removesuffix("::sql")
    own = [piece for path in sorted(args.files) for piece in pieces_of(path)]
    foreign = [piece for path in args.parts for piece in pieces_of(path)]
    taken, parts = {}, {}
    for piece in own + foreign:
        kind = "part" if piece.what == "part" else "name"
        if (kind, piece.name) in taken:
            piece.fail(f"stands twice, also at {taken[kind, piece.name]}")
        taken[kind, piece.name] = piece.place
        if piece.what == "part":
            parts[piece.name] = piece.text()
    queries, lists, names, structs = [], [], [], []
    for piece in own:
        if piece.what == "part":
            continue
        text = put_in(piece, parts)
        if piece.what == "list":
            struct, lines = List(service, piece, text).header()
            structs.append(struct)
            lists += lines
            continue
        text = numbered(piece, text)
        queries += constant(service, piece.name, piece.doc, text)
        names.append(piece.name)
        for note, name in piece.notes.items():
            queries += constant(service, name, [f"The same without {note.split()[1]}."], without(piece, text, int(note.split("$")[1])))
            names.append(name)
    lines = ["#pragma once", "// Generated from sql/*.sql."] + (["#include <array>", "", '#include "pg/list_text.hpp"'] if lists else []) + ['#include "pg/query.hpp"'] + (['#include "words.hpp"'] if any("words::" in line for line in lists) else []) + [ "", f"namespace {args.namespace} {{", ""] + queries
    if names:
        lines += ["", "/// All of them, for the test that prepares each.", "inline constexpr pg::Query all[] = {" + ", ".join(names) + "};"]
    if lists:
        lines += ["", "namespace lists {", ""] + lists + ["", "/// All of them, for the tests of each.", "inline constexpr const pg::ListText* all[] = {" + ", ".join(f"&{s}::text" for s in structs) + "};", "", "}  // namespace lists"]
    lines += ["", f"}}  // namespace {args.namespace}", ""]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
