#!/usr/bin/python3
"""Is what the documentation says there? Every relative link and file, every `make` target, every idbridge command with its
options, every configuration key, every reason code and metric that README.md, docs/ and deploy/ mention. Called by test/run.py
for `make check`; closes with "N passed, M failed". Without a built program, what only it knows is left out, and said so."""
import functools
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import manpage

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "deploy").glob("*/README.md"))]
FAULTS, CHECKED = [], 0


def check(good, page, what):
    global CHECKED
    CHECKED += 1
    if not good:
        FAULTS.append(f"{page.relative_to(ROOT)}: {what}")
    return good


# ---- the text of a page: code apart from prose ---------------------------------------------------------------------

@functools.lru_cache(None)
def parts(page):
    """(prose, [code]): indented blocks and `spans` are code; a blank line ends neither block nor prose for our purpose."""
    prose, code, block = [], [], []
    for line in page.read_text().splitlines():
        if line.startswith("    ") and line.strip():
            block.append(line[4:])
        elif line.strip() or not block:
            if block:
                code.append("\n".join(block))
                block = []
            prose.append(line)
        else:
            block.append("")
    code.append("\n".join(block))
    text = "\n".join(prose)
    code += re.findall(r"`([^`]+)`", text)
    return text, [piece for piece in code if piece.strip()]


def anchors(page):
    """The ids that a Markdown renderer gives to headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


# ---- links and files -----------------------------------------------------------------------------------------------

def links(page):
    text, _ = parts(page)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if check(file.exists(), page, f"the link {target} leads nowhere") and anchor and file.suffix == ".md":
            check(anchor in anchors(file), page, f"the link {target}: no such heading")


def files(page):
    """Paths of this tree in code: `deploy/nginx/idbridge.conf`, `test/flow/`; a * stands for anything."""
    for piece in parts(page)[1]:
        for path in re.findall(r"(?<![\w./-])((?:broker|deploy|docs|include|test)/[\w./*-]*\w/?)", piece):
            check(any(ROOT.glob(path.rstrip("/"))), page, f"{path} is not in the tree")


# ---- make ------------------------------------------------------------------------------------------------------------

@functools.lru_cache(None)
def targets():
    makefiles = [ROOT / "Makefile", *sorted((ROOT / "test").glob("*.mk"))]
    text = "\n".join(file.read_text() for file in makefiles)
    return set(" ".join(re.findall(r"^([a-z][\w. -]*?)\s*:(?![=:])", text, re.M)).split())


def make(page):
    for piece in parts(page)[1]:
        for line in piece.splitlines():
            for words in re.findall(r"(?:^|[;&]\s*)make((?: [\w=./-]+)*)", line.split("#")[0].strip()):
                for word in words.split():
                    check("=" in word or word.startswith("-") or word in targets(), page, f"there is no `make {word}`")


# ---- idbridge COMMAND --------------------------------------------------------------------------------------------------

@functools.lru_cache(None)
def commands():
    """{command: {subcommand: usage} or None}, as the program itself tells."""
    table = {}
    for name in re.findall(r"^  ([a-z]+) +\S", manpage.run("help")[1], re.M):
        said = "" if name in ("serve", "help", "version") else manpage.run(name, "help")[1]
        table[name] = dict(re.findall(rf"^(?:usage:)? +idbridge {name} ([a-z][a-z-]*)(.*)$", said, re.M)) or None
    return table


def usage_of(command, sub):
    """All option words a command takes; explain has no subcommands and says its usage when called without a person."""
    text = commands()[command][sub] if sub else manpage.run(command)[1]
    return set(re.findall(r"--[a-z0-9-]+", text))


def one_command(page, words):
    if words[0] == "--config":
        words = words[2:]
    if not words or words[0].isupper() or not re.fullmatch(r"[a-z]+", words[0]):
        return
    command, known = words[0], commands()
    if not check(command in known, page, f"there is no `idbridge {command}`"):
        return
    sub, rest = None, words[1:]
    if known[command] is not None and rest and rest[0] not in ("help", "…"):
        sub, rest = rest[0], rest[1:]
        if not check(sub in known[command], page, f"there is no `idbridge {command} {sub}`"):
            return
    given = {word.split("=")[0] for word in rest if re.match(r"--[a-z]", word)}
    if given and (sub or known[command] is None):
        for option in sorted(given - usage_of(command, sub)):
            check(False, page, f"`idbridge {command} {sub or ''}` has no {option}")


def invocations(page):
    for piece in parts(page)[1]:
        joined = re.sub(r"\\\n\s*", " ", piece)
        for line in joined.splitlines():
            line = re.sub(r"\s#.*$", "", line)
            match = re.match(r"(?:.*(?:--rm bridge|-- idbridge|[;&|] idbridge)|idbridge) (.+)$", line.strip())
            if match:
                one_command(page, re.split(r"\s+", re.split(r"\s[;&|<>]", match[1])[0]))


def manual():
    """The manual page names every command and subcommand; the list of keys is the program's own."""
    page = ROOT / "docs/idbridge.8"
    text = re.sub(r"\\f[BIR]|\\&|\"", "", page.read_text()).replace("\\-", "-")
    for command, subs in commands().items():
        for words in [f"{command} {sub}" for sub in subs or ()] or [command]:
            check(re.search(rf"(?<![\w-]){words}(?![\w-])", text), page, f"`idbridge {words}` is missing")
            if subs:
                for option in sorted(usage_of(*words.split())):
                    check(option in text, page, f"`idbridge {words}` takes {option}, which is missing")
    check(not manpage.stale(), ROOT / "docs/idbridge.ini.5", "the list of keys is out of date: run test/support/manpage.py")


# ---- configuration ------------------------------------------------------------------------------------------------------

@functools.lru_cache(None)
def known_keys():
    status, example = manpage.run("config", "example")
    assert status == 0, example
    return {section: {row[0] for row in rows} for section, _, rows in manpage.keys(example)}


def ini_text(page, text):
    section = None
    for line in text.splitlines():
        head, key = re.fullmatch(r"\[(\w+)( [\w.-]+)?\]", line.strip()), re.match(r"#?(\w+) =( |$)", line)
        if head:
            section = head[1]
            check(section in known_keys(), page, f"there is no section [{section}]")
        elif key and section in known_keys():
            check(key[1] in known_keys()[section], page, f"there is no key {key[1]} in [{section}]")


def configuration(page):
    text, code = parts(page)
    for piece in code:
        if re.match(r"\[\w+( [\w.-]+)?\]\n", piece):
            ini_text(page, piece)
        for section, key in re.findall(r"\[(\w+)(?: [\w.-]+)?\] (\w+)", piece.replace("\n", " ")):
            check(section in known_keys() and key in known_keys()[section], page, f"there is no key {key} in [{section}]")
    every = set().union(*known_keys().values()) | dhis_conf_keys()
    for key in re.findall(r"(?:^|`)([a-z_]+) = [^`]*`", text):
        if "." not in key:
            check(key in every, page, f"`{key} = …` is no key")


def loads(file, text):
    """A copy of it passes `config check` where the secret files it names are there."""
    with tempfile.TemporaryDirectory() as folder:
        secret, copy = Path(folder) / "secret", Path(folder) / "copy.ini"
        secret.write_text("secret\n")
        text = re.sub(r"^ca_file = .*\n", "", text, flags=re.M)  # certificates of a ministry are on its machines
        copy.write_text(re.sub(r"^(\w*(?:password|token|secret)_file) = .*$", rf"\1 = {secret}", text, flags=re.M))
        status, said = manpage.run("config", "check", str(copy))
        check(status == 0, file, said.strip())


def deployed():
    """Files somebody copies: complete configurations load, sections hold known keys, JSON is JSON."""
    complete = [ROOT / "deploy/idbridge.ini.example", ROOT / "deploy/compose/idbridge/idbridge.ini"]
    for file in complete + sorted((ROOT / "deploy").glob("*/*.ini")):
        text = file.read_text()
        loads(file, text if file in complete else "[bridge]\nissuer = https://id.health.example\n" + text)
        ini_text(file, text)
    for file in sorted((ROOT / "deploy").glob("*/*.json")):
        try:
            json.loads(file.read_text())
            check(True, file, "")
        except ValueError as why:
            check(False, file, f"no JSON: {why}")


# ---- tables out of the source ---------------------------------------------------------------------------------------------

def reasons():
    page = ROOT / "docs/operate.md"
    rows = re.findall(r'^    \{"(\w+)", (\d+), "', (ROOT / "broker/login/reasons.c").read_text(), re.M)
    told = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", page.read_text(), re.M))
    check(len(rows) > 20, page, "the table of reasons.c was not understood")
    for code, status in rows:
        check(told.get(code) == status, page, f"reason {code} is {told.get(code) or 'missing'}, reasons.c says {status}")
    for code in sorted(told.keys() - dict(rows).keys()):
        check(False, page, f"there is no reason {code}")


def metrics():
    page = ROOT / "docs/operate.md"
    source = "\n".join(file.read_text() for file in (ROOT / "broker").glob("*/*.c"))
    real = set(re.findall(r'metric_(?:add|set|observe_ms)\("(idbridge_\w+)"', source))
    told = set(re.findall(r"`(idbridge_[a-z0-9_]+)", page.read_text()))
    for name in sorted(real - told):
        check(False, page, f"the metric {name} is missing")
    for name in sorted(told):
        check(name in real, page, f"there is no metric {name}")


def guards():
    """Every guard that the page names stands in the source, in one of the files named beside it."""
    page = ROOT / "docs/security.md"
    rows = re.findall(r"^\| [^|]* \| ((?:`\w+`(?:, )?)+) \| (`broker[^|]*) \|", page.read_text(), re.M)
    check(len(rows) > 10, page, "the table of guards was not understood")
    for names, places in rows:
        found = [ROOT / place for place in re.findall(r"`([^`]+)`", places)]
        sources = [one for place in found for one in (sorted(place.glob("*.c")) if place.is_dir() else [place])]
        real = set(re.findall(r"GUARD\((\w+),", "\n".join(file.read_text() for file in sources if file.exists())))
        for name in re.findall(r"`(\w+)`", names):
            check(name in real, page, f"there is no GUARD({name}, …) in {places}")


@functools.lru_cache(None)
def dhis_conf_keys():
    return set(re.findall(r"^oidc\.provider\.bridge\.(\w+) =", (ROOT / "deploy/dhis2/dhis.conf.example").read_text(), re.M))


def dhis_conf():
    """The example holds every line that `idbridge client add` prints."""
    page = ROOT / "deploy/dhis2/dhis.conf.example"
    with tempfile.TemporaryDirectory() as folder:
        ini = Path(folder) / "idbridge.ini"
        ini.write_text("[bridge]\nissuer = https://id.health.example\nmaster_key = master.key\n[store]\nfolder = state\n"
                       "[dhis2 hmis]\nurl = https://hmis.health.example\ntoken_file = hmis.token\n")
        (Path(folder) / "state").mkdir(mode=0o700)  # init as root gives one that it makes to a user idbridge
        status, said = manpage.run("--config", str(ini), "init")
        if check(status == 0, page, said.strip()):
            status, said = manpage.run("--config", str(ini), "client", "add", "hmis", "--dhis2", "hmis", "--redirect-uri",
                                       "https://hmis.health.example/oauth2/code/bridge", "--post-logout-redirect-uri",
                                       "https://hmis.health.example/")
    printed = re.findall(r"^([a-z][\w.]+) = ", said, re.M)
    told = set(re.findall(r"^#?([a-z][\w.]+) = ", page.read_text(), re.M))
    check(status == 0 and len(printed) > 10, page, f"`idbridge client add` printed no lines: {said.strip()[:200]}")
    for key in printed:
        check(key in told, page, f"{key} is missing")


def main():
    os.chdir(ROOT)
    first = PAGES[0].read_text().splitlines()[0]
    check(first == "apt-get install -y git make", PAGES[0], "the first line is not the apt-get line")
    checks = [links, files, make]
    if manpage.binary() is None:
        print("no program is built: commands and keys were not looked at")
    else:
        checks += [invocations, configuration]
        for once in (manual, deployed, dhis_conf):
            once()
    for page in PAGES:
        for each in checks:
            each(page)
    for once in (reasons, metrics, guards):
        once()
    for fault in FAULTS:
        print(fault)
    print(f"{CHECKED - len(FAULTS)} passed, {len(FAULTS)} failed")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
