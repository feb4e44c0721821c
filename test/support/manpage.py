#!/usr/bin/python3
"""Writes the list of keys in docs/idbridge.ini.5 anew, out of what `idbridge config example` prints: the tables in broker/*/config.c
are the one place where a key is described. `--check` changes nothing and exits 1 when the page is out of date; docs_check.py
uses `keys` and `stale`."""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "idbridge.ini.5"
BEGIN, END = '.\\" BEGIN KEYS: written by test/support/manpage.py\n', '.\\" END KEYS\n'


def binary():
    """The program to ask, or None when none is built."""
    for path in (os.environ.get("IDBRIDGE_BINARY"), ROOT / "build/idbridge", ROOT / "build/asan/idbridge"):
        if path and Path(path).exists():
            return str(path)
    return None


def run(*words):
    done = subprocess.run([binary(), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


def keys(example):
    """[(section, named, [(key, sentence, note, default)])] in the order of the example file. A key there is a sentence, a
    line in parentheses with type, range and need, and `#key = default`."""
    sections, sentence, note = [], None, None
    for line in example.splitlines():
        head = re.fullmatch(r"#?\[(\S+)( NAME)?\]", line)
        key = re.fullmatch(r"#(\w+) = ?(.*)", line)
        if head:
            sections.append((head[1], bool(head[2]), []))
        elif key and sections:
            sections[-1][2].append((key[1], sentence, note, key[2]))
        elif line.startswith("# (") and line.endswith(")"):
            note = line[3:-1]
        elif line.startswith("# "):
            sentence = line[2:]
    return sections


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    return "\\&" + text if text[:1] in ".'" else text


def section_text(section, named, rows):
    lines = [f".SS [{section}{' NAME' if named else ''}]"]
    for key, sentence, note, default in rows:
        lines += [".TP", f".B {roff(key)}", roff(sentence)]
        kind, _, need = note.rpartition("; ")
        shown = f"Default: {default}." if default else "No default." if need == "optional" else "Required."
        lines += [".br", roff(f"{kind[0].upper()}{kind[1:]}. {shown}")]
    return "\n".join(lines) + "\n"


def fresh(page):
    status, example = run("config", "example")
    if status != 0 or page.count(BEGIN) != 1 or page.count(END) != 1:
        raise SystemExit(f"{PAGE.name}: no example, or not one BEGIN and one END line")
    body = "".join(section_text(*section) for section in keys(example))
    return page[:page.index(BEGIN)] + BEGIN + body + page[page.index(END):]


def stale():
    page = PAGE.read_text()
    return fresh(page) != page


def main():
    if binary() is None:
        raise SystemExit("nothing is built: `make` first")
    if sys.argv[1:] == ["--check"]:
        if stale():
            raise SystemExit(f"docs/{PAGE.name} is out of date: run test/support/manpage.py")
    elif sys.argv[1:]:
        raise SystemExit("usage: manpage.py [--check]")
    else:
        PAGE.write_text(fresh(PAGE.read_text()))


if __name__ == "__main__":
    main()
