#!/usr/bin/python3
"""Replays what a real eSignet 1.8.0 was asked and answered against the stand-in.

Reads recordings/esignet-1.8.0/*.json in place from IDBRIDGE_RECORDINGS, sends the same requests and
compares status, codes, headers and shapes; what differs by nature (issuer, time, signatures) is
masked first. Every recorded entry has a case here or a reason in NOT_REPLAYED, else the replay
fails. Prints "N passed, N failed"; exit status 1 on any difference, 77 without recordings.
"""
import json
import os
import sys
import traceback

from replay_cases import CASES, NOT_REPLAYED, Scene
from replay_mask import differences

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
SKIPPED = 77
DEFAULT = os.path.join(ROOT, "..", "shared", "recordings")
FOLDER = "esignet-1.8.0"


def recordings(folder):
    """{file: {entry: recorded}}; a file that is one exchange has the one entry "". """
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                content = json.load(file)
            stem = name[: -len(".json")]
            found[stem] = content if stem.startswith("probes") else {"": content}
    return found


def case_of(stem, entry):
    """The case of an entry: by full name, else by the text before the first colon or blank."""
    for (file, prefix), case in CASES.items():
        if file == stem and (prefix == entry or prefix.endswith("*") and entry.startswith(prefix[:-1])):
            return case
    return None


def check(scene, stem, entry, recorded):
    """A list of differences; [] when the stand-in answered as eSignet did."""
    case = case_of(stem, entry)
    if case is None:
        return ["no case and no reason"]
    try:
        return differences(recorded, case(scene, entry, recorded), scene)
    except Exception:  # a probe that dies is a difference to report, not the end of the replay
        return [traceback.format_exc(limit=4)]


def main():
    folder = os.path.join(os.environ.get("IDBRIDGE_RECORDINGS", DEFAULT), FOLDER)
    if not os.path.isdir(folder):
        print("skipped: the recordings of %s are missing; set IDBRIDGE_RECORDINGS" % FOLDER)
        return SKIPPED
    passed, failed, left_out = 0, 0, []
    with Scene(folder) as scene:
        for stem, entries in recordings(folder).items():
            scene.begin(stem)
            for entry, recorded in entries.items():
                name = ("%s: %s" % (stem, entry)).rstrip(": ")
                if (stem, entry) in NOT_REPLAYED:
                    left_out.append("%s: %s" % (name, NOT_REPLAYED[stem, entry]))
                    continue
                wrong = check(scene, stem, entry, recorded)
                passed, failed = passed + (not wrong), failed + bool(wrong)
                for text in wrong:
                    print("FAIL %s: %s" % (name, text))
    print("Not replayed, on purpose:")
    for text in left_out:
        print("  " + text)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
