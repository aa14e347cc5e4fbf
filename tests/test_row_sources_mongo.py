"""Rows from MongoDB: over the wire from a small server of our own, and from a real one where there is one."""

import itertools
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from luigi import configuration
from tests.servers.mongo_wire import mongo_wire_server

from tintype.errors import MissingPackageError, RowSourceError, SettingsError
from tintype.raw.row_sources import open_row_source


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch):
    monkeypatch.delenv("TINTYPE_MONGODB_USER", raising=False)
    monkeypatch.delenv("TINTYPE_MONGODB_PASSWORD", raising=False)


@pytest.fixture(scope="module")
def running():
    with mongo_wire_server() as server:
        yield server


@pytest.fixture
def server(running):
    running.commands.clear()
    running.collections.clear()
    return running


def open_products(server, **options):
    return open_row_source(f"mongodb://{server.host}/shop", collection="products", **options)


@pytest.mark.parametrize("n_documents", [0, 1, 2500])
def test_every_document_is_a_row_fetched_in_batches(server, n_documents):
    server.collections["shop.products"] = [
        {"_id": number, "url": f"https://h/{number}.jpg", "label": "cat"} for number in range(n_documents)
    ]
    source = open_products(server)
    rows = list(source.rows())
    assert [row["url"] for row in rows] == [f"https://h/{number}.jpg" for number in range(n_documents)]
    assert source.columns() == ({"_id": str, "label": str} if n_documents else {})
    assert all(set(row) == {"url", "_id", "label"} for row in rows)
    assert [command["batchSize"] for command in server.asked("find") if not command.get("limit")] == [1000]
    assert len(server.asked("getMore")) == n_documents // 1000


def test_no_more_is_fetched_than_a_batch_ahead(server):
    server.collections["shop.products"] = [{"_id": n, "url": f"https://h/{n}.jpg"} for n in range(5000)]
    rows = open_products(server, keep_columns=["_id"]).rows()
    assert len(list(itertools.islice(rows, 1000))) == 1000
    assert len(server.asked("getMore")) == 0
    rows.close()
    assert len(server.asked("killCursors")) == 1


def test_a_list_of_urls_gives_a_row_for_each_and_other_values_become_text(server):
    server.collections["shop.products"] = [
        {
            "_id": ObjectId("0123456789abcdef01234567"),
            "url": ["https://h/front.jpg", "https://h/back.jpg"],
            "sha256": ["A" * 64, None],
            "seen": datetime(2024, 5, 6, 7, 8, tzinfo=UTC),
            "price": Decimal128("9.90"),
            "sizes": {"eu": [41, 42], "made": datetime(2024, 1, 1)},  # noqa: DTZ001, as MongoDB gives it
            "raw": b"\x01\xff",
            "stock": 3,
        }
    ]
    source = open_products(server, columns={"stock": int})
    front, back = source.rows()
    assert front == {
        "url": "https://h/front.jpg",
        "sha256": "a" * 64,
        "_id": "0123456789abcdef01234567",
        "seen": "2024-05-06T07:08:00",
        "price": "9.90",
        "sizes": '{"eu": [41, 42], "made": "2024-01-01T00:00:00"}',
        "raw": "01ff",
        "stock": 3,
    }
    assert back == {**front, "url": "https://h/back.jpg", "sha256": None}
    assert source.columns() == dict.fromkeys(["_id", "seen", "price", "sizes", "raw"], str) | {"stock": int}


def test_filter_and_projection_reach_the_server_and_the_projection_names_the_columns(server):
    key = ObjectId()
    server.collections["shop.products"] = [
        {"_id": 1, "url": "https://h/1.jpg", "shop": key, "label": "cat", "size": 1},
        {"_id": 2, "url": "https://h/2.jpg", "shop": ObjectId(), "label": "dog", "size": 1},
    ]
    source = open_products(
        server, query_filter=json.dumps({"shop": {"$oid": str(key)}}), projection={"url": 1, "label": 1}
    )
    assert list(source.rows()) == [{"url": "https://h/1.jpg", "_id": "1", "label": "cat"}]
    assert source.columns() == {"_id": str, "label": str}
    assert [command["filter"] for command in server.asked("find")] == [{"shop": key}]
    assert source.identity().endswith(f'"$oid": "{key}"}}}} projection={{"url": 1, "label": 1}}')


def test_a_field_that_comes_late_is_an_error_that_says_how_to_declare_it(server):
    server.collections["shop.products"] = [{"_id": n, "url": f"https://h/{n}.jpg"} for n in range(1001)]
    server.collections["shop.products"][1000]["colour"] = "red"
    with pytest.raises(RowSourceError, match=r"document 1000 has a field 'colour'.*columns=\{'colour': str\}"):
        list(open_products(server).rows())
    *_, last = open_products(server, columns={"colour": str}).rows()
    assert last == {"url": "https://h/1000.jpg", "_id": "1000", "colour": "red"}
    *_, last = open_products(server, keep_columns=[]).rows()
    assert last == {"url": "https://h/1000.jpg"}


@pytest.mark.parametrize("document", [{}, {"url": None}, {"url": " "}, {"url": ["https://h/a.jpg", ""]}])
def test_a_document_without_a_url_is_an_error_or_is_left_out(server, document):
    server.collections["shop.products"] = [{"_id": 7, **document}]
    with pytest.raises(RowSourceError, match=r"shop\.products, document 7, column 'url' is empty"):
        list(open_products(server).rows())
    rows = list(open_products(server, missing_url="skip").rows())
    assert [row["url"] for row in rows] == (["https://h/a.jpg"] if isinstance(document.get("url"), list) else [])


def test_an_empty_list_of_urls_gives_no_row(server):
    server.collections["shop.products"] = [{"_id": 7, "url": []}]
    assert list(open_products(server).rows()) == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"url": 5}, "column 'url': 5 is no URL"),
        ({"url": [["https://h/a.jpg"]]}, r"column 'url': \['https://h/a.jpg'\] is no URL"),
        ({"url": ["https://h/a.jpg"], "path": ["a", "b"]}, "column 'path' is a list of 2, and there are 1 URLs"),
        ({"url": "https://h/a.jpg", "sha256": "x"}, "column 'sha256': 'x' is no SHA-256"),
        ({"url": "https://h/a.jpg", "size": "big"}, "column 'size': 'big' is no whole number"),
    ],
)
def test_a_value_that_does_not_fit_names_document_and_field(server, document, message):
    server.collections["shop.products"] = [{"_id": "x1", **document}]
    with pytest.raises(RowSourceError, match=f"document 'x1', {message}"):
        list(open_products(server, columns={"size": int}).rows())


def test_a_database_and_a_collection_are_needed():
    with pytest.raises(SettingsError, match="mongodb://h needs a database and a collection"):
        open_row_source("mongodb://h", collection="products")
    with pytest.raises(SettingsError, match="mongodb://h needs a database and a collection"):
        open_row_source("mongodb://u:p@h/shop?ssl=true")


@pytest.mark.parametrize(("field", "text"), [("projection", "{"), ("projection", "[]")])
def test_a_projection_that_is_no_json_object_is_refused(field, text):
    with pytest.raises(SettingsError, match="the projection is no JSON"):
        open_row_source("mongodb://h/shop", collection="products", projection=text)


@pytest.mark.parametrize("text", ["{", "[]", '{"_id": {"$oid": "x"}}'])
def test_a_filter_that_is_no_extended_json_is_refused(server, text):
    with pytest.raises(RowSourceError, match="the filter is no"):
        list(open_products(server, query_filter=text).rows())


def test_what_the_server_refuses_is_told(server):
    with pytest.raises(RowSourceError, match=r"shop\.products could not be read: OperationFailure: unknown top level"):
        list(open_products(server, query_filter={"$broken": 1}).rows())


def test_a_server_that_is_not_there_is_told_in_bounded_time():
    source = open_row_source("mongodb://127.0.0.1:9/shop?serverSelectionTimeoutMS=50", collection="products")
    with pytest.raises(
        RowSourceError, match=r"127\.0\.0\.1:9/shop\.products could not be read: ServerSelectionTimeout"
    ):
        list(source.rows())


def set_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TINTYPE_MONGODB_USER", "reader")
    monkeypatch.setenv("TINTYPE_MONGODB_PASSWORD", "s3cret/@")
    return "mongodb://{host}/shop", {}


def set_placeholders(monkeypatch, tmp_path):
    monkeypatch.setenv("MY_USER", "reader")
    monkeypatch.setenv("MY_PASSWORD", "s3cret/@")
    return "mongodb://${MY_USER}:${MY_PASSWORD}@{host}/shop", {}


def set_configuration(monkeypatch, tmp_path):
    configuration.get_config().set("tintype_mongodb", "user", "reader")
    configuration.get_config().set("tintype_mongodb", "password", "s3cret/@")
    return "mongodb://{host}/shop", {}


def set_file(monkeypatch, tmp_path):
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"mongo_db": {"user": "reader", "password": "s3cret/@"}}))
    return "mongodb://{host}/shop", {"credentials_path": str(path)}


def set_uri(monkeypatch, tmp_path):
    return "mongodb://reader:s3cret%2F%40@{host}/shop", {}


@pytest.mark.parametrize("give", [set_environment, set_placeholders, set_configuration, set_file, set_uri])
def test_credentials_reach_the_server_and_are_never_shown(server, monkeypatch, tmp_path, give):
    uri, options = give(monkeypatch, tmp_path)
    source = open_row_source(uri.replace("{host}", server.host), collection="products", **options)
    with pytest.raises(RowSourceError, match="Authentication failed") as caught:
        list(source.rows())
    started = [
        *server.asked("saslStart"),
        *(c["speculativeAuthenticate"] for c in server.asked("speculativeAuthenticate")),
    ]
    assert b"n=reader," in bytes(started[0]["payload"])
    assert caught.value.__cause__ is None
    for shown in (str(caught.value), source.identity(), repr(source)):
        assert "s3cret" not in shown
        assert "reader" not in shown
    assert source.identity() == f"mongodb://{server.host}/shop.products"


def test_a_user_without_a_password_is_an_error(server, monkeypatch):
    monkeypatch.setenv("TINTYPE_MONGODB_USER", "reader")
    with pytest.raises(RowSourceError, match="there is a user and no password: set TINTYPE_MONGODB_USER and"):
        list(open_products(server).rows())


def test_a_variable_that_is_not_set_is_named(server):
    source = open_row_source(f"mongodb://${{NOT_SET_AT_ALL}}:x@{server.host}/shop", collection="products")
    with pytest.raises(RowSourceError, match="needs the environment variable NOT_SET_AT_ALL, which is not set"):
        list(source.rows())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"mongo_db": {"user": "s3cret"}}', '{"mongo_db": ["s3cret"]}'])
def test_a_credentials_file_of_another_form_is_refused_and_not_shown(server, tmp_path, content):
    path = tmp_path / "credentials.json"
    path.write_text(content)
    with pytest.raises(RowSourceError, match=r'credentials\.json does not have the form \{"mongo_db"') as caught:
        list(open_products(server, credentials_path=str(path)).rows())
    assert "s3cret" not in str(caught.value)


def test_a_credentials_file_that_is_missing_is_named(server):
    with pytest.raises(RowSourceError, match="the credentials file /no/file cannot be read: No such file"):
        list(open_products(server, credentials_path="/no/file").rows())


def test_a_missing_package_names_the_extra(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymongo", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tintype\[mongo\]'"):
        list(open_products(server).rows())


REAL_SERVER = os.environ.get("TINTYPE_TEST_MONGODB_URI", "")

if REAL_SERVER:  # else there is nothing to test against

    def test_rows_come_from_a_real_server():
        from pymongo import MongoClient

        name = f"tintype_test_{uuid.uuid4().hex}"
        documents: list[Any] = [{"url": [f"https://h/{n}.jpg", f"https://h/{n}b.jpg"], "n": n} for n in range(2500)]
        with MongoClient[Any](REAL_SERVER) as client:
            try:
                client[name]["products"].insert_many(documents)
                source = open_row_source(
                    REAL_SERVER,
                    database=name,
                    collection="products",
                    columns={"n": int},
                    query_filter={"n": {"$gte": 1}},
                )
                rows = list(source.rows())
            finally:
                client.drop_database(name)
        assert len(rows) == 2 * 2499
        assert source.columns() == {"_id": str, "n": int}
