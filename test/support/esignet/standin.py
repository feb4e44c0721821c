#!/usr/bin/python3
"""Starts the eSignet stand-in: an imitation of MOSIP eSignet 1.8.0 for demo and tests.

  standin.py --port P [--host 127.0.0.1] [--issuer URL] [--state DIR] [--seed FILE] [--ready-file F]

One origin plays both eSignet's UI and its service. Port 0 takes a free one; the ready file, written
when the socket listens, says which: {"issuer", "port", "pid"}. Ends on SIGTERM and SIGINT.
"""
import argparse
import asyncio
import json
import os
import signal
import socket
import sys

from aiohttp import web

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from esignet_standin.core import NAME, Standin, application  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=NAME)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--issuer", help="default: http://HOST:PORT")
    parser.add_argument("--state", help="folder that keeps keys, clients and consents")
    parser.add_argument("--seed", default=os.path.join(HERE, "seed.json"), help="the people (README.md)")
    parser.add_argument("--ready-file")
    return parser.parse_args()


def write_ready(path, issuer, port):
    """Beside and renamed: whoever polls never reads half of it."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump({"issuer": issuer, "port": port, "pid": os.getpid()}, file)
    os.replace(path + ".new", path)


async def serve(options):
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.create_server((options.host, options.port), family=family)
    port = listener.getsockname()[1]
    host = "[%s]" % options.host if ":" in options.host else options.host
    issuer = options.issuer or "http://%s:%d" % (host, port)
    with open(options.seed, encoding="utf-8") as file:
        persons = json.load(file)["persons"]
    if options.state:
        os.makedirs(options.state, mode=0o700, exist_ok=True)
    runner = web.AppRunner(application(Standin(issuer, persons, options.state)), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener, shutdown_timeout=1).start()
    if options.ready_file:
        write_ready(options.ready_file, issuer, port)
    print("%s at %s" % (NAME, issuer), flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
