"""The Open Inference Protocol on a Unix socket, with Python's library alone: as docs/predictors.md shows it."""

import http.server
import json
import os
import socketserver


def serve(predict):
    """`predict`: lists by column name to a list of numbers, one a row."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.answer({"ready": True})

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            values = predict({tensor["name"]: tensor["data"] for tensor in request["inputs"]})
            self.answer({"outputs": [{"name": "probability", "datatype": "FP64", "shape": [len(values)], "data": values}]})

        def answer(self, body):
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    Server(os.environ["REKINDLE_SOCKET"], Handler).serve_forever()
