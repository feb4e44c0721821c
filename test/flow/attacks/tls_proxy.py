"""A small TLS-terminating proxy in front of the bridge, as nginx is in production, and a ministry whose issuer is https."""
import contextlib
import shutil
import socket
import ssl
import threading
from pathlib import Path

from ministry import Ministry, free_ports
from tls import Authority


class TlsProxy:
    """Takes TLS on `port`, passes the bytes to 127.0.0.1:`to`."""

    def __init__(self, folder, port, to):
        self.authority = Authority(Path(folder) / "tls")
        made = self.authority.issue("proxy")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(made.cert, made.key)
        self.to, self.ending = to, False
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.ending:
            with contextlib.suppress(OSError):
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, plain):
        with contextlib.suppress(OSError), plain, self.context.wrap_socket(plain, server_side=True) as client:
            with socket.create_connection(("127.0.0.1", self.to), 20) as bridge:
                back = threading.Thread(target=self.pump, args=(bridge, client), daemon=True)
                back.start()
                self.pump(client, bridge)
                back.join(20)

    @staticmethod
    def pump(source, target):
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self.ending = True
        self.listener.close()


class SecureMinistry(Ministry):
    """The bridge's issuer is https://127.0.0.1:…; the bridge itself speaks plain HTTP behind the proxy."""

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        self.inner = self.issuer
        port = free_ports(1)[0]
        self.proxy = TlsProxy(self.folder, port, self.ports["bridge"])
        self.issuer = f"https://127.0.0.1:{port}"

    def add_route(self):
        """DHIS2 is told of no Route: none of these tests goes through it."""

    def start_bridge(self):
        public, self.issuer = self.issuer, self.inner  # readiness is asked of the bridge itself
        try:
            super().start_bridge()
        finally:
            self.issuer = public

    def end(self):
        self.proxy.close()
        super().end()
        shutil.rmtree(self.folder, ignore_errors=True)
