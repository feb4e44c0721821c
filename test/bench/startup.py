#!/usr/bin/python3
"""How long from exec to the first "ready"? Called by run.py; the bridge must be down."""
import signal
import socket
import statistics
import subprocess
import time


def once(rig):
    address = ("127.0.0.1", rig.ports["bridge"])
    started = time.monotonic()
    process = subprocess.Popen([rig.binary, "serve"], env=rig.environment, cwd=rig.folder, stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() - started < 10:
            try:
                with socket.create_connection(address, timeout=5) as one:
                    one.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                    if b" 200 " in one.recv(400):
                        return (time.monotonic() - started) * 1000
            except OSError:
                pass
            time.sleep(0.0003)  # leaves the processor to the bridge
        raise RuntimeError("not ready within ten seconds")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def loaded_ms(program):
    """A program that loads the same libraries and ends."""
    started = time.monotonic()
    subprocess.run([str(program)], check=True, timeout=10)
    return (time.monotonic() - started) * 1000


def ready_ms(rig, libraries, times=25):
    """(fastest, median, fastest of the libraries alone), both in turn: on a busy machine the fastest says what the program takes,
    the median what the machine gave. No start goes below the libraries."""
    took = [(once(rig), loaded_ms(libraries)) for _ in range(times)]
    ready = [ready for ready, _ in took]
    return min(ready), statistics.median(ready), min(alone for _, alone in took)
