"""The recogniser over HTTP: a real server on loopback, asked as programs, browsers and strangers ask."""

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import jsonschema
import numpy as np
import pytest
from openapi_spec_validator import validate

from fedmotion.host.gesture_events import GestureEvents
from fedmotion.host.gesture_output import Gesture
from fedmotion.host.http import MAX_CONNECTIONS, MAX_READERS, RecogniserServer
from fedmotion.host.openapi import document
from fedmotion.host.plot.web_address import WebAddress, parse_address
from fedmotion.host.recording_store import Recording
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.features import features
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.turns import axis_rotations
from fedmotion.models.windows import window_at
from fedmotion.protocol.tensors import sha256_of

WAIT_S = 20.0
Server = Callable[..., RecogniserServer]


@pytest.fixture(scope="module")
def model(specification: Specification, trained_parameters: Parameters) -> LoadedModel:
    return LoadedModel(UUID(int=22), 7, sha256_of(trained_parameters), specification, trained_parameters)


@pytest.fixture
def serve(model: LoadedModel) -> Iterator[Server]:
    """Starts servers and ends them."""
    servers: list[RecogniserServer] = []

    def started(
        *, of: LoadedModel | None = model, address: str = "0", turn: Mounting = AS_PICTURED, **options: Any
    ) -> RecogniserServer:
        events = GestureEvents()
        if of is not None:
            events.on_model(of)
        server = RecogniserServer(parse_address(address, "--http"), events, turn, version="0.1.0", **options)
        server.start()
        servers.append(server)
        return server

    yield started
    for server in servers:
        server.events.close()
        server.close()


class Answer:
    """One answer, held against the OpenAPI document."""

    def __init__(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    server: RecogniserServer,
    method: str,
    path: str,
    body: bytes | dict[str, object] | None = None,
    **headers: str,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=WAIT_S)
    try:
        sent = json.dumps(body).encode() if isinstance(body, dict) else body
        kind = {"Content-Type": "application/json"} if sent is not None else {}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=sent, headers={**kind, **given})
        response = connection.getresponse()
        answer = Answer(response, response.read())
    finally:
        connection.close()
    check_against_document(answer, method, path)
    return answer


def check_against_document(answer: Answer, method: str, path: str) -> None:
    """Every answer has a status, a type and a shape that the document names."""
    described = document("0.1.0")
    kind = answer.headers.get_content_type()
    if answer.status in {404, 405, 501}:
        schema = described["components"]["schemas"]["Problem"]
        assert kind == "application/problem+json"
    else:
        response = described["paths"][path][method.lower().replace("head", "get")]["responses"][
            str(answer.status)
        ]
        schema = response["content"][kind]["schema"]
    assert answer.status != 500
    if method != "HEAD":
        jsonschema.Draft202012Validator({**schema, "components": described["components"]}).validate(
            answer.json
        )


@pytest.fixture(scope="module")
def swipe(takes: list[Recording]) -> Recording:
    return next(take for take in takes if take.label == "swipe_left")


@pytest.fixture(scope="module")
def window(swipe: Recording, specification: Specification) -> list[list[float]]:
    cut = window_at(specification, swipe.t_us, swipe.samples(), swipe.centre_us)
    rows: list[list[float]] = cut.astype(np.float64).tolist()
    return rows


def test_the_document_is_openapi_3_1_and_served_as_it_is(serve: Server) -> None:
    told = ask(serve(), "GET", "/openapi.json").json
    assert told == document("0.1.0")
    assert told["openapi"] == "3.1.0"
    validate(told)
    assert sorted(told["paths"]) == [
        "/healthz",
        "/openapi.json",
        "/v1/events",
        "/v1/last",
        "/v1/model",
        "/v1/predict",
    ]


def test_a_window_is_predicted_with_the_probability_of_each_activity(
    serve: Server, window: list[list[float]], model: LoadedModel
) -> None:
    answer = ask(serve(), "POST", "/v1/predict", {"window": window})
    assert answer.status == 200
    assert answer.json["round_id"] == 7
    assert answer.json["sha256"] == model.sha256.hex()
    (prediction,) = answer.json["predictions"]
    assert prediction["activity"] == "swipe_left"
    assert list(prediction["probabilities"]) == ["swipe_left", "swipe_right", "other"]
    assert prediction["probability"] == prediction["probabilities"]["swipe_left"] > 0.5
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)


def test_a_batch_is_predicted_in_its_order_and_rest_is_other(
    serve: Server, window: list[list[float]]
) -> None:
    rest = [[0.0, 0.0, 9.80665, 0.0, 0.0, 0.0]] * 96
    answer = ask(serve(), "POST", "/v1/predict", {"windows": [rest, window, rest]})
    assert [each["activity"] for each in answer.json["predictions"]] == ["other", "swipe_left", "other"]


def test_what_a_board_measured_is_resampled_by_its_times_or_its_rate(
    serve: Server, swipe: Recording, window: list[list[float]]
) -> None:
    server = serve()
    # The board's own samples at 100 Hz around the movement's centre.
    middle = int(np.searchsorted(swipe.t_us, swipe.centre_us))
    part = slice(middle - 96, middle + 96)
    raw = swipe.samples()[part].astype(np.float64).tolist()
    exact = ask(server, "POST", "/v1/predict", {"window": window}).json["predictions"][0]["probability"]
    for how in ({"rate_hz": 100}, {"t_us": swipe.t_us[part].tolist()}):
        (prediction,) = ask(server, "POST", "/v1/predict", {"window": raw, **how}).json["predictions"]
        assert prediction["activity"] == "swipe_left"
        assert prediction["probability"] == pytest.approx(exact, abs=0.05)


def test_features_are_predicted_as_their_window_is(serve: Server, window: list[list[float]]) -> None:
    rows = features(np.array([window], dtype=np.float32)).tolist()
    server = serve()
    by_features = ask(server, "POST", "/v1/predict", {"features": rows}).json
    assert by_features == ask(server, "POST", "/v1/predict", {"window": window}).json


def test_a_window_is_turned_as_the_profile_s_board_sits_unless_it_is_as_pictured(
    serve: Server, window: list[list[float]]
) -> None:
    (half_turn,) = [each for each in axis_rotations() if np.allclose(np.diag(each), [1, -1, -1])]
    turn = Mounting(half_turn)
    upside_down = (np.array(window) * [1, -1, -1, 1, -1, -1]).tolist()
    server = serve(turn=turn)
    expected = ask(serve(), "POST", "/v1/predict", {"window": window}).json
    assert ask(server, "POST", "/v1/predict", {"window": upside_down}).json == expected
    assert ask(server, "POST", "/v1/predict", {"window": window, "frame": "pictured"}).json == expected


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 400, "this is no JSON: Input data was truncated"),
        (b"", 400, "this is no JSON: Input data was truncated"),
        (b"\xff", 400, "this is no JSON: JSON is malformed"),
        ({}, 400, "a question has one of window, windows and features, got none of them"),
        ({"window": [], "features": []}, 400, "windows and features, got window, features"),
        ({"windw": []}, 400, "Object contains unknown field `windw`"),
        ({"window": [[1, 2, 3]]}, 400, "Expected `array` of length 6 - at `$.window[0]`"),
        ({"window": [["a"] * 6]}, 400, "Expected `float`, got `str`"),
        ({"window": [[1] * 6]}, 422, "a window has 96 samples at 50 Hz, got 1: give rate_hz or t_us"),
        ({"window": []}, 422, "a window has 1 to 20000 samples, got 0"),
        ({"windows": []}, 422, "a question has 1 to 64 windows, got 0"),
        ({"window": [[1e9] * 6] * 96}, 422, "samples are within +-10000, got others"),
        ({"window": [[1] * 6] * 96, "rate_hz": 0}, 422, "rate_hz is 1 to 10000, got 0"),
        ({"window": [[1] * 6] * 96, "rate_hz": 100}, 422, "a window lasts 1.92 s, within 5%, got 96 samples"),
        ({"window": [[1] * 6] * 2, "t_us": [5, 5]}, 422, "t_us are two or more times that increase"),
        ({"window": [[1] * 6], "t_us": [5]}, 422, "t_us are two or more times that increase"),
        ({"window": [[1] * 6] * 2, "t_us": [5]}, 422, "t_us has a time for each of 2 samples, got 1"),
        ({"window": [[1] * 6], "t_us": [2**60]}, 422, "times are within +-2**53 us"),
        ({"windows": [[[1] * 6]], "t_us": [5]}, 422, "t_us goes with window"),
        ({"features": [[1.0] * 107]}, 422, "a row of features has 108 numbers, got 107"),
        ({"features": []}, 422, "there are 1 to 20000 rows of features, got 0"),
    ],
)
def test_a_question_that_is_none_is_answered_in_a_sentence(
    serve: Server, body: bytes | dict[str, object], status: int, detail: str
) -> None:
    answer = ask(serve(), "POST", "/v1/predict", body)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert detail in answer.json["detail"]


def test_questions_damaged_at_random_never_break_the_server(
    serve: Server, window: list[list[float]], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    rng = random.Random(20)
    whole = json.dumps({"window": window, "rate_hz": 50, "frame": "board"}).encode()
    values: tuple[object, ...] = (
        None,
        True,
        -1,
        0,
        1e308,
        10**30,
        2**63,
        "x",
        [],
        {},
        [[]],
        [[[]]],
        [[1] * 6],
        "\ud800",
        "NaN",
    )
    statuses = []
    for number in range(300):
        if number % 3 == 0:
            damaged = bytearray(whole)
            for _ in range(rng.randint(1, 8)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            body = bytes(damaged)
        elif number % 3 == 1:
            names = ("window", "windows", "features", "rate_hz", "t_us", "frame", "x")
            chosen = {name: rng.choice(values) for name in rng.sample(names, rng.randint(0, 4))}
            body = json.dumps(chosen).encode()
        else:
            body = rng.choice(
                (b"[" * 50_000, b'{"window":' * 9, b"1e999", b'{"window":[[1e999]]}', rng.randbytes(200))
            )
        statuses.append(ask(server, "POST", "/v1/predict", body).status)
    assert set(statuses) <= {200, 400, 422}
    assert len(set(statuses)) >= 2
    assert ask(server, "POST", "/v1/predict", {"window": window}).status == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_requests_damaged_at_random_never_break_the_server(
    serve: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(request_s=0.3)
    rng = random.Random(21)
    whole = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.randint(0, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=WAIT_S) as connection:
            connection.sendall(damaged[: rng.randint(1, len(damaged))])
            connection.shutdown(socket.SHUT_WR)
            said = b""
            try:
                while part := connection.recv(65_536):
                    said += part
            except ConnectionResetError:
                continue
            assert not said.startswith(b"HTTP/1.1 500")
    assert ask(server, "GET", "/healthz").status == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_the_model_and_the_health_are_told(serve: Server, model: LoadedModel) -> None:
    server = serve()
    assert ask(server, "GET", "/v1/model").json == {
        "round_id": 7,
        "lineage_id": "00000000-0000-0000-0000-000000000016",
        "sha256": model.sha256.hex(),
        "family": "pca_svm",
        "activities": ["swipe_left", "swipe_right", "other"],
        "rate_hz": 50.0,
        "window_length": 96,
        "n_features": 108,
        "min_probability": 0.0,
    }
    server.events.on_board(is_there=True)
    health = ask(server, "GET", "/healthz")
    assert health.json == {"status": "ok", "has_model": True, "is_board_there": True}
    assert health.headers["Cache-Control"] == "no-store"
    assert ask(server, "HEAD", "/healthz").body == b""


def test_before_there_is_a_model_it_says_so(serve: Server) -> None:
    server = serve(of=None)
    answer = ask(server, "GET", "/v1/model")
    assert (answer.status, answer.json["detail"]) == (503, "there is no model yet")
    assert ask(server, "POST", "/v1/predict", {"window": []}).status == 503
    assert ask(server, "GET", "/healthz").json["has_model"] is False
    assert ask(server, "GET", "/v1/last").json == {"last": None}


def gesture(number: int, activity: str = "swipe_left") -> Gesture:
    return Gesture(
        number=number,
        activity=activity,
        probability=0.75,
        start_us=1_000_000 * number,
        stop_us=1_000_000 * number + 900_000,
        decided_us=1_000_000 * number + 1_300_000,
        round_id=7,
        probabilities={activity: 0.75, "other": 0.25},
    )


def happen(server: RecogniserServer, told: Gesture) -> None:
    server.events.on_gesture(told, None)  # type: ignore[arg-type]  # not looked at


class EventReader:
    """Reads server-sent events as the HTML standard's EventSource does."""

    def __init__(self, server: RecogniserServer, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=WAIT_S)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", "/v1/events", headers=given)
        self.response = self.connection.getresponse()

    def next(self) -> tuple[str, str, Any] | None:
        """Return the next event's name, id and data; None at the end."""
        fields: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line == "\n" and "data" in fields:
                return fields["event"], fields["id"], json.loads(fields["data"])
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        return None


def test_the_last_gesture_and_those_to_come_are_told(serve: Server) -> None:
    server = serve()
    reader = EventReader(server)
    assert reader.response.status == 200
    assert reader.response.headers["Content-Type"] == "text/event-stream"
    happen(server, gesture(1))
    happen(server, gesture(2, "swipe_right"))
    assert reader.next() == (
        "gesture",
        "1",
        {
            "number": 1,
            "activity": "swipe_left",
            "probability": 0.75,
            "start_us": 1_000_000,
            "stop_us": 1_900_000,
            "decided_us": 2_300_000,
            "round_id": 7,
            "probabilities": {"swipe_left": 0.75, "other": 0.25},
        },
    )
    name, number, told = reader.next() or ("", "", {})
    assert (name, number, told["activity"]) == ("gesture", "2", "swipe_right")
    assert ask(server, "GET", "/v1/last").json["last"] == told
    reader.connection.close()


def test_a_reader_that_comes_back_gets_what_it_missed(serve: Server) -> None:
    server = serve()
    for number in (1, 2, 3):
        happen(server, gesture(number))
    reader = EventReader(server, Last_Event_ID="1")
    assert [reader.next()[1] for _ in range(2)] == ["2", "3"]  # type: ignore[index]
    happen(server, gesture(4))
    assert reader.next()[1] == "4"  # type: ignore[index]
    reader.connection.close()


def test_a_reader_too_slow_is_let_go_and_holds_up_nobody(serve: Server) -> None:
    events = GestureEvents()
    slow, quick = events.read(), events.read()
    for number in range(1, 66):
        events.on_gesture(gesture(number), None)  # type: ignore[arg-type]
        assert quick.next(0).number == number  # type: ignore[union-attr]
    told = [slow.next(0).number for _ in range(64)]  # type: ignore[union-attr]
    assert told == list(range(1, 65))
    with pytest.raises(EOFError):
        slow.next(0)
    with pytest.raises(TimeoutError):
        quick.next(0)
    events.close()
    with pytest.raises(EOFError):
        quick.next(0)
    with pytest.raises(EOFError):
        events.read().next(0)


def test_readers_are_bounded_and_end_with_the_recogniser(serve: Server) -> None:
    server = serve()
    readers = [EventReader(server) for _ in range(MAX_READERS)]
    refused = EventReader(server)
    assert refused.response.status == 503
    assert b"8 read gestures already" in refused.response.read()
    server.events.close()
    assert [reader.next() for reader in readers] == [None] * MAX_READERS


def test_connections_are_bounded_and_those_that_dawdle_are_broken_off(serve: Server) -> None:
    server = serve(request_s=0.5)
    dawdlers = [
        socket.create_connection(("127.0.0.1", server.server_port), timeout=WAIT_S)
        for _ in range(MAX_CONNECTIONS)
    ]
    try:
        for each in dawdlers:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        until_s = time.monotonic() + WAIT_S
        while ask(server, "GET", "/healthz").status != 503:
            assert time.monotonic() < until_s
        stop = threading.Event()

        def drip() -> None:
            # A byte now and then keeps each single wait short.
            while not stop.wait(0.1):
                for each in dawdlers:
                    try:
                        each.sendall(b"x")
                    except OSError:
                        continue

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            while ask(server, "GET", "/healthz").status != 200:
                assert time.monotonic() < until_s
                time.sleep(0.02)
        finally:
            stop.set()
            dripping.join()
    finally:
        for each in dawdlers:
            each.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:80"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        # A stranger's name that was made to lead here.
        ({"Host": "evil.example"}, 421),
        ({"Host": "192.168.1.2"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "localhost", "Origin": "http://localhost"}, 200),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
    ],
)
def test_pages_of_strangers_are_not_answered(serve: Server, headers: dict[str, str], status: int) -> None:
    assert ask(serve(), "GET", "/v1/last", None, **headers).status == status


def test_only_json_of_a_known_and_bearable_length_is_read(serve: Server) -> None:
    server = serve()
    form = ask(server, "POST", "/v1/predict", b"{}", Content_Type="text/plain")
    assert (form.status, form.json["detail"]) == (415, "the body is application/json, got 'text/plain'")
    long = ask(server, "POST", "/v1/predict", b" " * (2**20 + 1))
    assert (long.status, long.json["detail"]) == (413, "a body has at most 1048576 bytes, got 1048577")
    chunked = ask(server, "POST", "/v1/predict", b"2\r\n{}\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    assert (chunked.status, chunked.json["detail"]) == (411, "the body's length is said in Content-Length")


def test_other_paths_and_methods_are_named(serve: Server) -> None:
    server = serve()
    lost = ask(server, "GET", "/v2/model")
    assert lost.status == 404
    assert lost.json["detail"].startswith("there is /v1/predict, /v1/model, /v1/last, /v1/events, /healthz")
    wrong = ask(server, "DELETE", "/v1/model")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")
    assert wrong.json["detail"] == "/v1/model takes GET, got DELETE"
    assert ask(server, "OPTIONS", "/v1/predict").status == 405
    assert ask(server, "BREW", "/v1/model").status == 501


def test_where_others_can_reach_it_a_token_is_asked_for(serve: Server) -> None:
    with pytest.raises(ValueError, match=r"others can reach 0\.0\.0\.0: serve there with --http-token-file"):
        RecogniserServer(WebAddress("0.0.0.0", 0), GestureEvents(), AS_PICTURED)
    server = serve(address="0.0.0.0:0", token="correct-horse")
    assert ask(server, "GET", "/healthz").status == 200
    refused = ask(server, "GET", "/v1/model")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer wrong", "Basic correct-horse", "Bearer", "correct-horse", "Bearer correct-horsé"):
        assert ask(server, "GET", "/v1/model", Authorization=wrong).status == 401
    assert ask(server, "GET", "/v1/model", Authorization="Bearer correct-horse").status == 200


def test_an_address_that_cannot_be_served_is_said_at_the_start(serve: Server) -> None:
    server = serve()
    with pytest.raises(ValueError, match=f"port {server.server_port} of 127.0.0.1 is in use"):
        RecogniserServer(WebAddress("127.0.0.1", server.server_port), GestureEvents(), AS_PICTURED)
    with pytest.raises(ValueError, match="--http is PORT or HOST:PORT with a port of 0 to 65535"):
        parse_address("localhost:http", "--http")
