"""`rlaw serve`: prints an address, answers there alone, ends with Ctrl-C."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit

from rlaw.cli import main


def answered(url, headers):
    """The status of the answer to a request for the runs."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)) as connection:
        connection.request("GET", f"{parts.path}api/overview", headers=headers)
        with connection.getresponse() as answer:
            return answer.status


def test_the_command_prints_an_address_that_answers_until_it_is_interrupted(table):
    command = [sys.executable, "-m", "rlaw", "serve", str(table), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        assert document["schema"] == 1
        assert document["url"].startswith("http://127.0.0.1:")
        assert answered(document["url"], {}) == 200
        assert answered(document["url"], {"Host": "evil.example"}) == 403
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_port_that_is_taken_and_data_that_are_nowhere_are_said(table, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", str(table), "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be had" in capsys.readouterr().err
    assert main(["serve", "nowhere", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not-found"
