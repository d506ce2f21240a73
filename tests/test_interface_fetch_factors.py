"""`abnormal fetch --factors`: files of the French library from a server on 127.0.0.1, whole, late, torn or not at all."""

import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from abnormal.errors import FetchFailed, RateLimited, UnknownName
from abnormal.inputs.factors import FILES, LIBRARY, _address, fetch_french, read_french
from abnormal.verbs.group import group

CSV = "made up for a test\n\n,Mkt-RF,SMB,HML,RF\n20260611,1.20,-0.40,0.10,0.01\n20260612,-0.80,-99.99,0.20,0.01\n\n"


def call(*args):
    return CliRunner().invoke(group, [str(a) for a in args], catch_exceptions=False)


def zipped(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("F-F_Research_Data_Factors_daily.csv", text)
    return out.getvalue()


class Library(ThreadingHTTPServer):
    """Answers each request with the next of `script`: (code, body, headers, length announced); the last one repeats."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.asked = [], 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/F-F_Research_Data_Factors_daily_CSV.zip"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        script = self.server.script
        code, body, headers, length = script[min(self.server.asked, len(script) - 1)]
        self.server.asked += 1
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        return None


@pytest.fixture
def library():
    server = Library()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_is_fetched_and_reads_as_decimals(library, tmp_path):
    library.script = [(200, zipped(CSV), {}, 0)]
    path = fetch_french(library.url, tmp_path / "factors")
    table = read_french(path)
    assert path == tmp_path / "factors" / "F-F_Research_Data_Factors_daily_CSV.zip"
    assert table.names == ("MKT", "SMB", "HML") and table.values[0].tolist() == pytest.approx([0.012, -0.004, 0.001])
    assert table.rf is not None and table.rf.tolist() == pytest.approx([0.0001, 0.0001])
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_server_that_stumbles_is_asked_again(library, tmp_path):
    whole = zipped(CSV)
    library.script = [(502, b"", {}, 0), (200, whole[:40], {}, len(whole)), (200, whole, {}, 0)]
    waited = []
    assert read_french(fetch_french(library.url, tmp_path, waited.append)).names == ("MKT", "SMB", "HML")
    assert waited == [2.0, 8.0] and library.asked == 3


@pytest.mark.parametrize(
    "answer, error, says",
    [
        ((502, b"", {}, 0), FetchFailed, "502"),
        ((429, b"", {"Retry-After": "90"}, 0), RateLimited, "try again in 90 seconds"),
        ((404, b"", {}, 0), UnknownName, "is not there"),
        ((200, b"<!doctype html><html><body>maintenance</body></html>", {}, 0), FetchFailed, "HTML"),
        ((200, zipped(CSV)[:100], {}, 0), FetchFailed, "damaged zip"),
        ((200, b"", {}, 0), FetchFailed, "empty"),
    ],
)
def test_what_does_not_arrive_leaves_the_older_file(library, tmp_path, answer, error, says):
    library.script = [(200, zipped(CSV), {}, 0)]
    path = fetch_french(library.url, tmp_path)
    before = path.read_bytes()
    library.script, library.asked = [answer], 0
    with pytest.raises(error, match=says):
        fetch_french(library.url, tmp_path, lambda seconds: None)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_nobody_listens(tmp_path):
    server = Library()
    url = server.url
    server.server_close()
    with pytest.raises(FetchFailed, match="is the network up"):
        fetch_french(url, tmp_path, lambda seconds: None)
    assert not list(tmp_path.iterdir())


def test_names_of_the_library(tmp_path):
    for name, file in FILES.items():
        assert _address(name, tmp_path) == (f"{LIBRARY}{file}_CSV.zip", tmp_path / f"{file}_CSV.zip")
    own = "F-F_ST_Reversal_Factor_daily"
    assert _address(own, tmp_path)[0] == _address(f"{own}_CSV.zip", tmp_path)[0] == f"{LIBRARY}{own}_CSV.zip"
    with pytest.raises(UnknownName, match="ff3"):
        _address("../up", tmp_path)


def test_the_verb_puts_the_file_beside_the_prices(library, tmp_path):
    library.script = [(200, zipped(CSV), {}, 0)]
    done = call("fetch", "--factors", library.url, "--store", str(tmp_path), "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and next(iter(told)) == "schema_version" and told["fetched"] == []
    (one,) = told["factors"]
    assert (one["factors"], one["rows"], one["first"], one["last"]) == (
        ["MKT", "SMB", "HML"],
        2,
        "2026-06-11",
        "2026-06-12",
    )
    assert read_french(one["path"]).names == ("MKT", "SMB", "HML")
    library.script = [(404, b"", {}, 0)]
    assert call("fetch", "--factors", library.url, "--store", str(tmp_path)).exit_code == 2
    assert call("fetch").exit_code == 2
