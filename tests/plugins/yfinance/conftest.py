"""Yahoo's chart protocol on 127.0.0.1, spoken to by the real yfinance, and a clean slate for each test."""

import datetime as dt
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zoneinfo import ZoneInfo

import attrs
import pytest
import requests

NEW_YORK = ZoneInfo("America/New_York")


def opening(day):
    """The time stamp that Yahoo gives a daily bar: the opening of the exchange."""
    return int(dt.datetime.combine(day, dt.time(9, 30), NEW_YORK).timestamp())


@attrs.define
class Bars:
    """Daily bars in Yahoo's own form: open, high, low, close, volume, adjclose, each a list with one entry a day."""

    days: list
    series: dict

    @classmethod
    def of(cls, first="2022-01-03", count=10):
        start = dt.date.fromisoformat(first)
        days = [start + dt.timedelta(days=d) for d in range(count)]
        columns = ("open", "high", "low", "close", "adjclose")
        # Thirds have no short decimal form: a rounding on the way would show.
        series = {name: [100 + k + d / 3 for d in range(count)] for k, name in enumerate(columns)}
        return cls(days, {**series, "volume": [1_000_000 + d for d in range(count)]})

    def answer(self, zone="America/New_York"):
        stamps = [opening(day) for day in self.days]
        quote = {name: self.series[name] for name in ("open", "high", "low", "close", "volume")}
        meta = {
            "currency": "USD",
            "symbol": "AAPL",
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": zone,
            "validRanges": ["1d", "1mo", "max"],
        }
        indicators = {"quote": [quote], "adjclose": [{"adjclose": self.series["adjclose"]}]}
        result = {"meta": meta, "timestamp": stamps, "indicators": indicators}
        return {"chart": {"result": [result], "error": None}}

    def between(self, first, last):
        """The bars that lie in the window of a request, as Yahoo would choose them."""
        keep = [k for k, day in enumerate(self.days) if first <= opening(day) < last]
        return Bars([self.days[k] for k in keep], {n: [v[k] for k in keep] for n, v in self.series.items()})


def error(code, description):
    return json.dumps({"chart": {"result": None, "error": {"code": code, "description": description}}})


@attrs.define(eq=False)
class Yahoo:
    """A stand-in for Yahoo. `chart` answers a question for prices: (status, text), or "hang"."""

    chart: object = None
    bars: Bars = attrs.field(factory=Bars.of)
    found: list | None = attrs.field(factory=list)
    asked: list = attrs.field(factory=list)
    http: object = None
    closing: object = attrs.field(factory=threading.Event)

    not_found: tuple = (404, error("Not Found", "No data found, symbol may be delisted"))
    error = staticmethod(error)

    @property
    def port(self):
        return self.http.server_address[1]

    def windows(self):
        """The questions for prices in a window; the first, for the time zone alone, has none."""
        return [query for path, query in self.asked if "/chart/" in path and "period1" in query]

    def charts(self):
        return [path for path, _ in self.asked if "/chart/" in path]

    def good(self, path, query):
        if "period1" not in query:
            return 200, json.dumps(self.bars.answer())
        return 200, json.dumps(self.bars.between(int(query["period1"]), int(query["period2"])).answer())

    def __call__(self, path, query):
        self.asked.append((path, query))
        if "/chart/" in path:
            answer = (self.chart or self.good)(path, query)
            return (200, json.dumps(answer)) if isinstance(answer, dict) else answer
        if "/search" in path and self.found is not None:
            return 200, json.dumps({"quotes": self.found, "news": []})
        if "getcrumb" in path:
            return 200, "crumb"
        return 200, "<html></html>"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        answer = self.server.yahoo(path, dict(urllib.parse.parse_qsl(query)))
        if answer == "hang":
            self.server.yahoo.closing.wait(30)
            return
        status, text = answer
        self.send_response(status)
        body = text.encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Local(requests.Session):
    """A session that finds all of Yahoo's hosts at one local port."""

    def __init__(self, port):
        super().__init__()
        self.port = port
        self.trust_env = False

    def request(self, method, url, *args, **kwargs):
        local = urllib.parse.urlsplit(url)._replace(scheme="http", netloc=f"127.0.0.1:{self.port}").geturl()
        return super().request(method, local, *args, **kwargs)


@pytest.fixture
def yahoo():
    server = Yahoo()
    server.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.http.daemon_threads = True
    server.http.yahoo = server
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.closing.set()
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture
def session(yahoo):
    with Local(yahoo.port) as session:
        yield session


@pytest.fixture(autouse=True)
def clean_slate(tmp_path, monkeypatch):
    """No cache folder, and a yfinance that has asked nothing yet."""
    from yfinance import base, cache, config
    from yfinance.data import SingletonMeta, YfData

    from nanolstm_yfinance import manners
    from nanolstm_yfinance import yahoo as asking

    folder = tmp_path / "cache"
    monkeypatch.setenv("NANOLSTM_CACHE", str(folder))
    monkeypatch.setattr(asking, "PAUSES", (0.02, 0.04))
    monkeypatch.setattr(manners, "_settled", None)
    monkeypatch.setattr(base, "_tz_info_fetch_ctr", 0)
    YfData.cache_get.cache_clear()
    SingletonMeta._instances.pop(YfData, None)
    yield folder
    for thread in threading.enumerate():
        if thread.name == manners.WORKER:
            thread.join(10)
    assert config.debug.hide_exceptions is True
    for manager, name in (
        (cache._TzCacheManager, "_tz_cache"),
        (cache._CookieCacheManager, "_Cookie_cache"),
        (cache._ISINCacheManager, "_isin_cache"),
    ):
        kept = getattr(manager, name)
        if getattr(kept, "db", None) is not None:
            kept.db.close()
        setattr(manager, name, None)


@pytest.fixture
def ask(session):
    """Ask the local Yahoo for AAPL in the first days of 2022, or as told."""
    from nanolstm.data.request import DataRequest
    from nanolstm_yfinance import load

    def ask(symbol="AAPL", *, start="2022-01-03", end="2022-01-13", timeout=8, options=None, **request):
        options = {"session": session, **(options or {})}
        return load(
            DataRequest(
                source="yfinance", symbol=symbol, start=start, end=end, timeout=timeout, options=options, **request
            )
        )

    return ask


@pytest.fixture
def told(ask, capfd, caplog):
    """Ask in vain: what the user is told by the error of this very type, and that nothing else is written."""

    def told(error, symbol="AAPL", **request):
        with pytest.raises(error) as caught:
            ask(symbol, **request)
        assert type(caught.value) is error
        message = str(caught.value)
        assert "\n" not in message
        assert symbol in message
        assert capfd.readouterr() == ("", "")
        assert caplog.record_tuples == []
        return message

    return told
