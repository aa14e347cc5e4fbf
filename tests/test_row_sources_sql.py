"""Rows from databases: a real PostgreSQL that the tests start, and SQLite."""

import itertools
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from luigi import configuration

from tintype.errors import MissingPackageError, RowSourceError, SettingsError
from tintype.raw.row_sources import open_row_source

PASSWORD = "s3cret/@:%"


@pytest.fixture(scope="module")
def postgres_port(require_service):
    """Start PostgreSQL on a free port of loopback, its data in a folder that goes with it; return the port."""
    with pytest.MonkeyPatch.context() as patch:
        folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)  # where Debian keeps them
        patch.setenv("PATH", os.pathsep.join([os.environ["PATH"], *folders]))
        initdb, postgres = require_service("initdb"), require_service("postgres")
    with tempfile.TemporaryDirectory(prefix="tintype-postgres-") as folder:
        (Path(folder) / "password").write_text(PASSWORD)
        as_user: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            as_user |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
            for path in (folder, f"{folder}/password"):
                os.chown(path, *nobody_ids())
        options = ["--no-sync", "--auth=scram-sha-256", "--username=tester", "--pwfile=password", "--encoding=UTF8"]
        subprocess.run([initdb, *options, "--no-locale", "--pgdata=data"], check=True, timeout=120, **as_user)
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=10"]
        arguments = [argument for setting in settings for argument in ("-c", setting)]
        with subprocess.Popen([postgres, "-D", "data", "-p", str(port), *arguments], **as_user) as process:
            try:
                wait_until_it_answers(process, port)
                yield port
            finally:
                process.send_signal(signal.SIGINT)  # its fast way to stop


def nobody_ids():
    import grp
    import pwd

    return pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid


def wait_until_it_answers(process, port):
    deadline = time.monotonic() + 60
    while True:
        try:
            connect(port).close()
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL ended at once"
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)
        else:
            return


def connect(port):
    return psycopg.connect(
        host="127.0.0.1", port=port, user="tester", password=PASSWORD, dbname="postgres", autocommit=True
    )


@pytest.fixture
def postgres(postgres_port, monkeypatch):
    """Return a connection to an empty schema, and the URL that rows are read by."""
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    with connect(postgres_port) as connection:
        connection.execute("drop table if exists products")
        yield connection, f"postgresql://tester:${{SHOP_PASSWORD}}@127.0.0.1:{postgres_port}/postgres"


def fill(connection, n_rows):
    connection.execute("create table products (url text, path text, label varchar(10), size int)")
    with connection.cursor().copy("copy products from stdin") as copy:
        for number in range(n_rows):
            copy.write_row((f"https://h/{number}.jpg", f"{number}.jpg", "cat", number))


@pytest.mark.parametrize("n_rows", [0, 1, 5000])
def test_every_row_of_a_query_comes_with_the_types_of_the_database(postgres, n_rows):
    connection, url = postgres
    fill(connection, n_rows)
    source = open_row_source(url, query="select * from products order by size;")
    assert source.columns() == {"label": str, "size": int}
    assert list(source.rows()) == [
        {"url": f"https://h/{number}.jpg", "path": f"{number}.jpg", "label": "cat", "size": number}
        for number in range(n_rows)
    ]
    assert source.digest() is None


def test_the_rows_stay_on_the_server_until_they_are_asked_for(postgres):
    connection, url = postgres
    endless = "select 'https://h/' || number || '.jpg' as url from (select generate_series(1, 1000000000) as number) n"
    source = open_row_source(url, query=endless)
    assert source.columns() == {}
    rows = source.rows()
    found = list(itertools.islice(rows, 3000))
    assert found[-1] == {"url": "https://h/3000.jpg"}
    running = "select query from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"
    [(query,)] = connection.execute(running).fetchall()
    assert query.startswith("FETCH FORWARD 2000 FROM ")
    rows.close()
    assert connection.execute(f"{running} and query like 'FETCH%' and state = 'active'").fetchall() == []


def test_columns_of_postgresql_have_its_types_and_the_rest_is_text(postgres):
    _, url = postgres
    query = """
        select 'https://h/a.jpg' as url, 1::smallint as small, 2::bigint as big, 1.5::real as r, 2.5::float8 as d,
            true as flag, 1.10::numeric as price, date '2024-01-02' as day, '{"a": [1]}'::jsonb as doc,
            timestamptz '2024-01-02 03:04:05+00' as seen, array[1, 2] as sizes, '\\x00ff'::bytea as raw,
            null::int as nothing, 'ok'::char(3) as word
    """
    source = open_row_source(url, query=query)
    kinds = {"small": int, "big": int, "r": float, "d": float, "flag": bool, "nothing": int}
    assert source.columns() == dict.fromkeys(["price", "day", "doc", "seen", "sizes", "raw", "word"], str) | kinds
    [row] = source.rows()
    seen = row.pop("seen")
    assert seen.startswith("2024-01-02T")
    assert row == {
        "url": "https://h/a.jpg",
        "small": 1,
        "big": 2,
        "r": 1.5,
        "d": 2.5,
        "flag": True,
        "price": "1.10",
        "day": "2024-01-02",
        "doc": '{"a": [1]}',
        "sizes": "[1, 2]",
        "raw": "00ff",
        "nothing": None,
        "word": "ok ",
    }
    [row] = open_row_source(url, query=query, columns={"price": float}, keep_columns=["price"]).rows()
    assert row == {"url": "https://h/a.jpg", "price": 1.1}


def test_a_query_is_sent_as_it_is_written(postgres):
    connection, url = postgres
    fill(connection, 20)
    query = "select url, 'a:b %s %(x)s {y}' as label, size::text from products where url like '%/1_.jpg' order by 1"
    rows = list(open_row_source(url, query=query).rows())
    assert len(rows) == 10
    assert rows[0] == {"url": "https://h/10.jpg", "label": "a:b %s %(x)s {y}", "size": "10"}


def test_an_error_in_the_middle_of_a_result_is_told(postgres):
    _, url = postgres
    query = (
        "select 'https://h/a.jpg' as url, 100 / (5000 - number) as n from (select generate_series(1, 9000) as number) n"
    )
    rows = open_row_source(url, query=query).rows()
    with pytest.raises(RowSourceError, match="could not be asked: DivisionByZero: division by zero"):
        list(rows)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from no_such_table", 'UndefinedTable: relation "no_such_table" does not exist'),
        ("selekt", "SyntaxError: syntax error"),
        ("create table other (a int)", "could not be asked: .*"),
    ],
)
def test_a_query_that_fails_is_told_with_the_query(postgres, query, message):
    _, url = postgres
    with pytest.raises(RowSourceError, match=message) as caught:
        open_row_source(url, query=query).columns()
    assert query in str(caught.value)


def give_by_url(monkeypatch, port):
    return f"postgresql+psycopg://tester:s3cret%2F%40%3A%25@127.0.0.1:{port}/postgres"


def give_by_variables(monkeypatch, port):
    monkeypatch.setenv("SHOP_USER", "tester")
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    monkeypatch.setenv("SHOP_HOST", "127.0.0.1")
    return f"postgresql://${{SHOP_USER}}:${{SHOP_PASSWORD}}@${{SHOP_HOST}}:{port}/postgres"


def give_by_configuration(monkeypatch, port):
    configuration.get_config().set("tintype_sql", "user", "tester")
    configuration.get_config().set("tintype_sql", "password", PASSWORD.replace("%", "%%"))
    return f"postgres://127.0.0.1:{port}/postgres"


@pytest.mark.parametrize("give", [give_by_url, give_by_variables, give_by_configuration])
def test_a_password_reaches_the_server_and_is_never_shown(postgres_port, monkeypatch, give):
    source = open_row_source(give(monkeypatch, postgres_port), query="select 'https://h/a.jpg' as url")
    assert list(source.rows()) == [{"url": "https://h/a.jpg"}]
    for shown in (source.identity(), repr(source)):
        assert "s3cret" not in shown
        assert "tester" not in shown
        assert "select 'https://h/a.jpg' as url" in shown


def test_a_wrong_password_is_told_and_not_shown(postgres_port):
    source = open_row_source(
        f"postgresql://tester:wrong-one@127.0.0.1:{postgres_port}/postgres", query="select 1 as url"
    )
    with pytest.raises(RowSourceError, match="password authentication failed") as caught:
        list(source.rows())
    assert "wrong-one" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_that_luigi_cannot_read_is_not_shown(postgres_port):
    configuration.get_config().read_string("[tintype_sql]\npassword = s3cret%\n")
    source = open_row_source(f"postgresql://tester@127.0.0.1:{postgres_port}/postgres", query="select 1 as url")
    with pytest.raises(
        RowSourceError, match=r"\[tintype_sql\] password in .* cannot be read: write a % in it as %%"
    ) as caught:
        list(source.rows())
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_not_there_is_an_error():
    source = open_row_source("postgresql://u:s3cret@127.0.0.1:9/d", query="select 1 as url")
    with pytest.raises(
        RowSourceError, match=r"postgresql://127\.0\.0\.1:9/d could not be asked: .*Check the URL"
    ) as caught:
        source.columns()
    assert "s3cret" not in str(caught.value)


def test_a_variable_that_is_not_set_is_named():
    source = open_row_source("postgresql://u:${NOT_SET_AT_ALL}@127.0.0.1:9/d", query="select 1 as url")
    with pytest.raises(RowSourceError, match="needs the environment variable NOT_SET_AT_ALL, which is not set"):
        source.columns()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/d", "postgresql://h/d"),
        ("postgresql://u:p/w?x#@y@h/d", "postgresql://h/d"),
        ("postgresql://${A}:${B}@h:5432/d", "postgresql://h:5432/d"),
        ("postgresql://h/d?user=u&password=p&sslmode=require", "postgresql://h/d?user=u&password=***&sslmode=require"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
    ],
)
def test_a_password_is_hidden_wherever_it_stands(url, shown):
    assert open_row_source(url, query="select 1").identity() == f"{shown} select 1"


# SQLite.


@pytest.fixture
def sqlite(tmp_path):
    """Return a connection to a database with a table, and its URL."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "create table products (url text, label, size integer, price double, seen boolean, day date)"
        )
        yield connection, f"sqlite:///{path}"


@pytest.mark.parametrize("n_rows", [0, 1, 5000])
def test_columns_of_sqlite_have_the_types_that_their_tables_declare(sqlite, n_rows):
    connection, url = sqlite
    rows = [(f"https://h/{number}.jpg", "cat", number, 1.5, 1, "2024-01-02") for number in range(n_rows)]
    connection.execute("begin")
    connection.executemany("insert into products values (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("commit")
    source = open_row_source(url, query="select *, size + 1 as more from products order by size; ")
    kinds = {"label": str, "size": int, "price": float, "seen": bool, "day": str, "more": str}
    assert source.columns() == kinds
    assert list(source.rows()) == [
        {
            "url": f"https://h/{number}.jpg",
            "label": "cat",
            "size": number,
            "price": 1.5,
            "seen": True,
            "day": "2024-01-02",
            "more": str(number + 1),
        }
        for number in range(n_rows)
    ]


def test_a_value_of_sqlite_that_is_not_of_its_columns_type_names_its_row(sqlite):
    connection, url = sqlite
    connection.execute("insert into products (url, size) values ('https://h/0.jpg', 1), ('https://h/1.jpg', 'big')")
    with pytest.raises(RowSourceError, match=r"shop\.db, row 2 of the result, column 'size': 'big' is no whole number"):
        list(open_row_source(url, query="select * from products").rows())
    rows = list(open_row_source(url, query="select * from products", columns={"size": str}).rows())
    assert [row["size"] for row in rows] == ["1", "big"]


def test_a_row_without_a_url_is_an_error_or_is_left_out(sqlite):
    connection, url = sqlite
    connection.execute("insert into products (url, size) values ('https://h/0.jpg', 1), (null, 2), (' ', 3)")
    with pytest.raises(RowSourceError, match="row 2 of the result, column 'url' is empty"):
        list(open_row_source(url, query="select url from products").rows())
    rows = open_row_source(url, query="select url from products", missing_url="skip").rows()
    assert list(rows) == [{"url": "https://h/0.jpg"}]


def test_a_query_of_sqlite_is_not_run_to_its_end(sqlite):
    _, url = sqlite
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select 'https://h/' || i as url from n"
    source = open_row_source(url, query=endless)
    assert source.columns() == {}
    rows = source.rows()
    assert len(list(itertools.islice(rows, 3000))) == 3000
    rows.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select size from products", "the result of the query for .* has no column 'url'; there are: 'size'"),
        ("select * from no_such_table", "no such table: (main.)?no_such_table"),
        ("delete from products", 'near "delete": syntax error'),
    ],
)
def test_a_query_that_cannot_be_used_is_told(sqlite, query, message):
    _, url = sqlite
    source = open_row_source(url, query=query)
    with pytest.raises(RowSourceError, match=message):
        source.columns()


def test_an_empty_query_is_refused():
    with pytest.raises(SettingsError, match="the query for sqlite:// is empty: give a select statement"):
        open_row_source("sqlite://", query=" ; ")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense://h/d", "could not be asked: NoSuchModuleError: .*Check the URL, which is one of SQLAlchemy's"),
        ("postgresql://h:port/d", "postgresql://h:port/d is no URL, its port is no number: percent-encode"),
    ],
)
def test_a_url_that_sqlalchemy_does_not_know_is_refused(url, message):
    with pytest.raises(RowSourceError, match=message):
        open_row_source(url, query="select 1 as url").columns()


@pytest.mark.parametrize(
    ("package", "url", "message"),
    [
        ("sqlalchemy", "sqlite://", r"need SQLAlchemy: pip install 'tintype\[sql\]'"),
        ("psycopg", "postgresql://h/d", r"needs the package psycopg: pip install 'tintype\[sql\]' for PostgreSQL"),
        ("pymysql", "mysql+pymysql://h/d", "needs the package pymysql: .* pip install pymysql for another database"),
    ],
)
def test_a_missing_package_names_the_cure(monkeypatch, package, url, message):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=message):
        open_row_source(url, query="select 1 as url").columns()
