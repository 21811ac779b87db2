"""Rules of `api.problems` and `api.handlers`: errors become problem documents, in one place."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from isp_plugins import errors as families
from isp_plugins.api import problems
from isp_plugins.api.errors import BodyInvalidError, InternalError, JsonMalformedError, MethodNotAllowedError
from isp_plugins.api.handlers import hint_for, problem_of_mistakes


class OwnConflictError(families.ConflictError):
    """It is {state}."""


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    key: str
    count: int = 1
    inner: list["Body"] = []


def mistakes_of(value):
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(value)
    found = [{**each, "loc": ("body", *each["loc"])} for each in caught.value.errors()]
    return {each["path"]: each for each in problem_of_mistakes(found).details}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (families.InvalidInputError, 422),
        (families.UnauthenticatedError, 401),
        (families.ForbiddenError, 403),
        (families.NotFoundError, 404),
        (OwnConflictError, 409),
        (families.TooLargeError, 413),
        (families.UnavailableError, 503),
        (JsonMalformedError, 400),
        (MethodNotAllowedError, 405),
        (InternalError, 500),
        (families.PluginSystemError, 500),
    ],
)
def test_family_decides_the_status(error, status):
    assert problems.status_of(error) == status


def test_document_has_the_members_of_rfc_9457():
    document = problems.document(OwnConflictError(state="open"), "r1")
    assert document == {
        "type": "/problems/own-conflict",
        "title": "Own conflict",
        "status": 409,
        "detail": "It is open.",
        "instance": "urn:request:r1",
    }


def test_401_says_how_to_authenticate():
    answer = problems.response(families.UnauthenticatedError(), "r1")
    assert "Bearer" in answer.headers["www-authenticate"]


def test_every_kind_has_a_slug_of_its_own():
    slugs = [kind.slug for kind in problems.every_kind()]
    assert len(slugs) == len(set(slugs))


def test_mistakes_are_named_by_path_with_what_came():
    found = mistakes_of({"key": 5, "inner": [{"key": "a", "count": "7"}]})
    assert found["key"]["got"] == 5
    assert found["inner.0.count"]["got"] == "7"


def test_value_under_an_unknown_name_is_not_repeated():
    found = mistakes_of({"key": "a", "pasword": "hunter2"})
    assert "hunter2" not in str(found)


def test_object_with_a_missing_field_is_not_repeated():
    assert "hunter2" not in str(mistakes_of({"inner": [{"value": "hunter2"}]}))


def test_long_value_is_shortened():
    assert len(mistakes_of({"key": "a", "count": "x" * 1000})["count"]["got"]) == 80


def test_body_that_is_no_object_is_told_so():
    with pytest.raises(ValidationError) as caught:
        Body.model_validate([])
    found = [{**each, "loc": ("body", *each["loc"])} for each in caught.value.errors()]
    assert isinstance(problem_of_mistakes(found), BodyInvalidError)


def test_name_where_an_id_belongs_is_explained():
    assert "?name=" in hint_for("/api/v1/plugins/my_plugin/enable")
    assert "whole number" in hint_for("/api/v1/plugins/7/config/smtp_port")
    assert hint_for("/nothing") == "/api/v1/docs lists every path"
