#!/usr/bin/python3
"""Fails on an include that goes up: a folder of broker/ may include only its own private headers and
idbridge/<folder>.h of what stands before it in the layer order of docs/architecture.md. Called by `make layers`."""
import pathlib
import re
import sys

LAYERS = [["base"], ["store"], ["token"], ["web"], ["upstream", "directory"], ["mapping"], ["dhis2"], ["login"],
          ["provider", "verification"], ["front", "admin"], ["main"]]
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
# What only one folder may see (style.md: cjose sealed behind one header).
SEALED = {"cjose/cjose.h": "token", "oauth2/": "token", "sqlite3.h": "store", "microhttpd.h": "front",
          "ldap.h": "directory", "curl/curl.h": "base", "ini.h": "base"}


def faults(path, folder):
    text = path.read_text(encoding="utf-8")
    for kind, name in INCLUDE.findall(text):
        if name.startswith("idbridge/"):
            other = name[len("idbridge/"):-len(".h")]
            if other not in RANK:
                yield f"{path}: includes unknown {name}"
            elif other != folder and RANK[other] >= RANK[folder]:
                yield f"{path}: {folder} may not include {name}"
        elif kind == '"' and "/" in name:
            yield f"{path}: private header of another folder: {name}"
        for sealed, owner in SEALED.items():
            if name.startswith(sealed) and folder != owner:
                yield f"{path}: only {owner}/ may include {name}"


def main():
    found = []
    for path in sorted(pathlib.Path("broker").rglob("*.[ch]")):
        found += faults(path, path.parent.name if path.parent.name != "broker" else "main")
    for path in sorted(pathlib.Path("include/idbridge").glob("*.h")):
        if path.stem not in RANK:
            found.append(f"{path}: no such folder in the layer order")
        else:
            found += faults(path, path.stem)
    print("\n".join(found) if found else "layers: nothing points up")
    return 1 if found else 0


sys.exit(main())
