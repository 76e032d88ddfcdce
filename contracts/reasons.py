"""Why a message, or one of its signals, was not accepted. The one list that every layer uses."""

from enum import StrEnum


class Reason(StrEnum):
    """A reason of rejection; the values stand in bronze, dead letters, metrics and marts."""

    MALFORMED_JSON = "malformed_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    BAD_TYPE = "bad_type"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    OUT_OF_RANGE = "out_of_range"
    TOO_LARGE = "too_large"
    UNKNOWN_SOURCE = "unknown_source"
