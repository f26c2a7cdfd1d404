"""The HTTP interface in words that programs read: an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0)."""

from typing import Any

from fedmotion.host.prediction import MAX_RATE_HZ, MAX_ROWS, MAX_VALUE, MAX_WINDOWS

_Json = dict[str, Any]

_NUMBER: _Json = {"type": "number", "minimum": -MAX_VALUE, "maximum": MAX_VALUE}
_PROBABILITY: _Json = {"type": "number", "minimum": 0, "maximum": 1}
_PROBABILITIES: _Json = {
    "type": "object",
    "description": "Of each activity, `other` among them; they sum to 1.",
    "additionalProperties": _PROBABILITY,
}
_COUNT: _Json = {"type": "integer", "minimum": 0}
_SHA256: _Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_WINDOW: _Json = {
    "type": "array",
    "description": "Samples in order of time.",
    "minItems": 1,
    "maxItems": MAX_ROWS,
    "items": {
        "type": "array",
        "description": "ax ay az in m/s2, gx gy gz in rad/s.",
        "minItems": 6,
        "maxItems": 6,
        "items": _NUMBER,
    },
}


def _object(properties: _Json, optional: tuple[str, ...] = (), **more: Any) -> _Json:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
        **more,
    }


def _reference(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


_SCHEMAS: _Json = {
    "Question": _object(
        {
            "window": _WINDOW,
            "windows": {"type": "array", "minItems": 1, "maxItems": MAX_WINDOWS, "items": _WINDOW},
            "features": {
                "type": "array",
                "description": "Rows of features that were computed before, `n_features` numbers each.",
                "minItems": 1,
                "maxItems": MAX_ROWS,
                "items": {"type": "array", "items": _NUMBER},
            },
            "rate_hz": {
                "type": "number",
                "description": "Samples a second, where they are not the model's: resampled.",
                "minimum": 1,
                "maximum": MAX_RATE_HZ,
            },
            "t_us": {
                "type": "array",
                "description": "With `window`: each sample's time in microseconds, increasing; resampled.",
                "items": {"type": "integer"},
            },
            "frame": {
                "description": "The axes of the profile's board, or of one that is worn as pictured.",
                "enum": ["board", "pictured"],
                "default": "board",
            },
        },
        optional=("window", "windows", "features", "rate_hz", "t_us", "frame"),
        oneOf=[{"required": [name]} for name in ("window", "windows", "features")],
    ),
    "Answer": _object(
        {
            "round_id": _COUNT,
            "sha256": _SHA256,
            "predictions": {
                "type": "array",
                "description": "One a window, in their order.",
                "items": _object(
                    {
                        "activity": {"type": "string"},
                        "probability": _PROBABILITY,
                        "probabilities": _PROBABILITIES,
                    }
                ),
            },
        }
    ),
    "Model": _object(
        {
            "round_id": {**_COUNT, "description": "The round that made it; 0 of a model of one's own."},
            "lineage_id": {"type": "string", "format": "uuid"},
            "sha256": _SHA256,
            "family": {"type": "string"},
            "activities": {"type": "array", "items": {"type": "string"}},
            "rate_hz": {"type": "number"},
            "window_length": _COUNT,
            "n_features": _COUNT,
            "min_probability": _PROBABILITY,
        }
    ),
    "Gesture": _object(
        {
            "number": {**_COUNT, "description": "Counts the gestures told since the start, from 1."},
            "activity": {"type": "string"},
            "probability": _PROBABILITY,
            "start_us": {"type": "integer", "description": "In the board's time."},
            "stop_us": {"type": "integer"},
            "decided_us": {"type": "integer"},
            "round_id": _COUNT,
            "probabilities": _PROBABILITIES,
        }
    ),
    "Last": _object({"last": {"oneOf": [_reference("Gesture"), {"type": "null"}]}}),
    "Health": _object(
        {
            "status": {"const": "ok"},
            "has_model": {"type": "boolean"},
            "is_board_there": {"type": "boolean"},
        }
    ),
    "Problem": _object(
        {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
        },
        description="What went wrong, as RFC 9457 has it.",
    ),
}

_PROBLEMS: _Json = {
    str(status): {
        "description": description,
        "content": {"application/problem+json": {"schema": _reference("Problem")}},
    }
    for status, description in (
        (400, "The request is none, or its body is no question."),
        (401, "The token is missing or wrong."),
        (403, "A page of another origin asks."),
        (421, "The Host header names somebody else."),
        (503, "There is no model yet, or too many ask at once."),
    )
}


def document(version: str) -> _Json:
    """Return the document; `version` is that of the program."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fedmotion recognise",
            "description": "What a recogniser of gestures sees, and what its model says of windows.",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": "What is in a window, or in several?",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": _reference("Question")}},
                    },
                    "responses": {
                        **_response("Answer", "What the model says."),
                        **_PROBLEMS,
                        **{
                            str(status): {**_PROBLEMS["400"], "description": description}
                            for status, description in (
                                (411, "The body's length is not said."),
                                (413, "The body is too long."),
                                (415, "The body is not application/json."),
                                (422, "The numbers are none that the model takes."),
                            )
                        },
                    },
                }
            },
            "/v1/model": _get("model", "Which model is in use?", "Model"),
            "/v1/last": _get("last", "Which gesture was the last?", "Last"),
            "/v1/events": {
                "get": {
                    "operationId": "events",
                    "summary": "Gestures as they come: server-sent events.",
                    "description": "Each has the event `gesture`, its number as `id` and a Gesture as data.",
                    "parameters": [
                        {
                            "name": "Last-Event-ID",
                            "in": "header",
                            "description": "Gestures after this number that are still kept come first.",
                            "schema": {"type": "string"},
                        }
                    ],
                    "responses": {
                        "200": {
                            "description": "A stream without an end.",
                            "content": {"text/event-stream": {"schema": {"type": "string"}}},
                        },
                        **_PROBLEMS,
                    },
                }
            },
            "/healthz": _get("health", "Does it run?", "Health", is_open=True),
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document.",
                    "responses": {
                        "200": {
                            "description": "It.",
                            "content": {"application/json": {"schema": {"type": "object"}}},
                        },
                        **_PROBLEMS,
                    },
                }
            },
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Where a token was given at the start.",
                }
            },
        },
        "security": [{"token": []}, {}],
    }


def _response(name: str, description: str) -> _Json:
    return {
        "200": {
            "description": description,
            "content": {"application/json": {"schema": _reference(name)}},
        }
    }


def _get(operation: str, summary: str, schema: str, *, is_open: bool = False) -> _Json:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "responses": {**_response(schema, "It is so."), **_PROBLEMS},
            **({"security": [{}]} if is_open else {}),
        }
    }
