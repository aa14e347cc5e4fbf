"""S3: one client a process, its errors as ours, and objects as bytes or streams."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tintype.errors import (
    SettingsError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
)
from tintype.load_funcs.resuming import ResumingStream
from tintype.settings import Settings, read_settings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

DEFAULT_CONNECTIONS = 32
"""Connections that a client keeps, where the caller does not say how many threads use it."""
CONNECT_SECONDS = 20
READ_SECONDS = 60
"""A connection that sends nothing for so long has dropped."""


class S3Location(NamedTuple):
    """Where an object is."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class S3Object:
    """An object as S3 describes it."""

    location: S3Location
    etag: str
    """In its quotes, as S3 gives and takes it."""
    size_bytes: int
    last_modified: str = ""
    """UTC, ISO 8601."""


def make_s3_client(settings: Settings | None = None, *, n_connections: int = DEFAULT_CONNECTIONS) -> S3Client:
    """Return this process's S3 client; made when it is first asked for, never taken over a fork.

    Any number of threads may use it. What the settings leave open is boto3's own to find: ``AWS_*`` variables,
    ``~/.aws``, the machine's role.

    Parameters
    ----------
    settings
        The ``s3_*`` ones count; None reads the ``[tintype]`` section.
    n_connections
        Connections to keep: at least the number of threads that use it.

    Raises
    ------
    SettingsError
        When the endpoint is no URL or there is no such profile.

    Examples
    --------
    >>> settings = Settings(n_jobs=1, s3_endpoint="http://127.0.0.1:9000", s3_region="eu-central-1")
    >>> make_s3_client(settings).meta.endpoint_url
    'http://127.0.0.1:9000'
    """
    settings = settings or read_settings()
    # A dict's setdefault is one step, so two threads of a process get one set of clients.
    clients = _clients_of_process.setdefault(os.getpid(), _Clients())
    with clients.lock:
        key = (*_s3_settings(settings).items(), max(n_connections, DEFAULT_CONNECTIONS))
        if key not in clients.by_key:
            clients.by_key[key] = _make_client(settings, max(n_connections, DEFAULT_CONNECTIONS))
        return clients.by_key[key]


def split_s3_url(url: str) -> S3Location:
    """Return the bucket and key of ``s3://bucket/key``.

    Raises
    ------
    SettingsError
        When it is no such URL.

    Examples
    --------
    >>> split_s3_url("s3://photos/2024/cats.tar")
    S3Location(bucket='photos', key='2024/cats.tar')
    """
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not bucket or not key:
        raise SettingsError(f"{url!r} names no S3 object: give s3://bucket/key")
    return S3Location(bucket, key)


def describe_s3_object(location: S3Location, settings: Settings | None = None) -> S3Object:
    """Ask S3 for an object's ETag and size; one HEAD request.

    Raises
    ------
    SourceError
        SourceNotFoundError when there is no such bucket or object, SourceUnreachableError when S3 cannot be asked.
    """
    settings = settings or read_settings()
    with s3_errors(location.url):
        answer = make_s3_client(settings).head_object(
            Bucket=location.bucket, Key=location.key, **request_options(settings)
        )
    return S3Object(
        location, answer["ETag"], answer["ContentLength"], answer["LastModified"].isoformat(timespec="seconds")
    )


def open_s3_object(found: S3Object, settings: Settings | None = None, *, n_connections: int = 0) -> ResumingStream:
    """Open an object as it was described; another ETag or size is an error, a dropped connection is not.

    Raises
    ------
    SourceError
        While it is read; SourceChangedError when the object is no longer the one that was described.
    """
    settings = settings or read_settings()
    client = make_s3_client(settings, n_connections=n_connections)

    def open_at(offset: int) -> _Body:
        options = request_options(settings)
        if offset:
            options["Range"] = f"bytes={offset}-"
        with s3_errors(found.location.url):
            answer = client.get_object(
                Bucket=found.location.bucket, Key=found.location.key, IfMatch=found.etag, **options
            )
        if answer["ETag"] != found.etag or answer["ContentLength"] != found.size_bytes - offset:
            answer["Body"].close()
            raise SourceChangedError(f"{found.location.url} changed while it was read: run again")
        return _Body(answer["Body"], found.location.url)

    return ResumingStream(open_at, found.size_bytes, found.location.url)


def load_bytes_from_s3(url: str) -> bytes:
    """Return the bytes of an S3 object.

    Parameters
    ----------
    url
        ``s3://bucket/key``.

    Raises
    ------
    SourceError
        SourceNotFoundError, a FileNotFoundError, when there is no such bucket or object; SourceUnreachableError, a
        ConnectionError, when S3 cannot be asked or the connection breaks again and again.
    SettingsError
        When `url` is no such URL. A ValueError.

    Examples
    --------
    >>> load_bytes_from_s3("photos/cat.jpg")
    Traceback (most recent call last):
        ...
    tintype.errors.SettingsError: 'photos/cat.jpg' names no S3 object: give s3://bucket/key
    """
    found = describe_s3_object(split_s3_url(url))
    with open_s3_object(found) as stream:
        return stream.readall()


def list_s3_objects(bucket: str, prefix: str, settings: Settings | None = None) -> Iterator[S3Object]:
    """Yield every object whose key begins with `prefix`, page by page, in S3's order.

    Raises
    ------
    SourceError
        SourceNotFoundError when there is no such bucket, SourceUnreachableError when S3 cannot be asked.
    """
    settings = settings or read_settings()
    client = make_s3_client(settings)
    place = S3Location(bucket, prefix).url
    with s3_errors(place):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, **request_options(settings)
        )
        for page in pages:
            for entry in page.get("Contents", ()):
                yield S3Object(
                    S3Location(bucket, entry["Key"]),
                    entry["ETag"],
                    entry["Size"],
                    entry["LastModified"].isoformat(timespec="seconds"),
                )


def request_options(settings: Settings) -> dict[str, Any]:
    """Return what every request carries."""
    return {"RequestPayer": "requester"} if settings.s3_requester_pays else {}


@contextmanager
def s3_errors(url: str) -> Iterator[None]:
    """Turn boto3's errors into ours: the one place where that happens."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _from_answer(url, error) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    ) as e:
        raise SourceError(
            f"{url} cannot be asked for, because no credentials for S3 were found ({e}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or [tintype] s3_profile, or for a public bucket s3_anonymous = true"
        ) from e
    except (exceptions.ParamValidationError, exceptions.NoRegionError) as error:
        raise SettingsError(f"{url} cannot be asked for ({_one_line(error)}): correct bucket, key or s3_region") from (
            error
        )
    except exceptions.BotoCoreError as error:
        # What is left is the connection: no address, no answer, an answer that broke off.
        raise SourceUnreachableError(
            f"{url}: S3 cannot be reached, or broke off ({_one_line(error)}): check the network and s3_endpoint"
        ) from error


class _Clients:
    """The clients of one process, and a lock that no fork took over while it was held."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_key: dict[Any, S3Client] = {}


_clients_of_process: dict[int, _Clients] = {}


class _Body:
    """The body of an answer, with our errors."""

    def __init__(self, body: Any, url: str) -> None:
        self._body = body
        self._url = url

    def read(self, amt: int, /) -> bytes:
        from urllib3.exceptions import HTTPError

        with s3_errors(self._url):
            try:
                return bytes(self._body.read(amt))
            except (HTTPError, OSError) as error:
                raise SourceUnreachableError(f"{self._url}: the connection broke ({_one_line(error)})") from error

    def close(self) -> None:
        self._body.close()


def _s3_settings(settings: Settings) -> Mapping[str, Any]:
    return {name: value for name, value in vars(settings).items() if name.startswith("s3_")}


def _make_client(settings: Settings, n_connections: int) -> S3Client:
    import boto3
    import botocore
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        max_pool_connections=n_connections,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        signature_version=botocore.UNSIGNED if settings.s3_anonymous else None,
    )
    try:
        # A session of one's own: boto3's default one is shared, and not safe to make clients from in threads.
        session = boto3.Session(profile_name=settings.s3_profile, region_name=settings.s3_region)
        return session.client("s3", endpoint_url=settings.s3_endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(
            f"no S3 client can be made ({_one_line(error)}): correct s3_endpoint, s3_region or s3_profile in [tintype]"
        ) from error


def _from_answer(url: str, error: ClientError) -> SourceError:
    """Return what S3 answered as one of our errors. Only "not found" means absent."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchBucket":
        return SourceNotFoundError(f"{url}: there is no bucket {urlsplit(url).netloc!r}: correct its name")
    if status == 404 or code in {"NoSuchKey", "404"}:
        return SourceNotFoundError(f"{url} is not there: correct the bucket or the key")
    if status in {412, 416} or code in {"PreconditionFailed", "InvalidRange"}:
        return SourceChangedError(f"{url} changed while it was read: run again")
    if status in {401, 403}:
        return SourceError(
            f"{url} may not be read (S3 says {code}): check the credentials and the bucket's rights, and for a bucket "
            "whose requester pays set [tintype] s3_requester_pays = true"
        )
    if status in {301, 307, 400} and code in {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "400"}:
        return SourceError(f"{url} is in another region (S3 says {code}): set [tintype] s3_region to it")
    if status >= 500 or status == 429 or code in {"SlowDown", "RequestTimeout"}:
        return SourceUnreachableError(f"{url}: S3 is not well ({code or status}): run again later")
    return SourceError(f"{url} cannot be read (S3 says {code or status}: {_one_line(error)})")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
