"""What lies in object storage gives the table of the same files on disk, by few and small calls."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, TracesData

from pdmlib.errors import CallError, SourceError
from pdmlib.storage.request_logs import mending
from pdmlib.storage.request_logs.ingest import ingest
from pdmlib.storage.request_logs.s3 import Storage as Objects
from tests.storage.request_logs.logs import START, line, site_of, table_of, traffic, write
from tests.storage.request_logs.storage import KEY_ID, REGION, SECRET, Storage, storage

PIECE = 4 << 20


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A bucket `logs` of two keys a page, its address and keys in the environment; empty."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with storage(tmp_path / "bucket") as running:
        running.folder.mkdir()
        for name, value in running.environ().items():
            monkeypatch.setenv(name, value)
        yield running


def drains(folder: Path) -> None:
    """Packed and plain drains, some in folders, one of a hostile name, and what is no log."""
    rows = traffic(240)
    for number in range(3):
        write(folder / f"2026/0{number}.ndjson.gz", rows[number * 60 : number * 60 + 90])
    write(folder / "2026/deep/3.json.gz", rows[180:260])
    write(folder / "2026/plain.ndjson", rows[250:])
    write(folder / "2026/it's [x] é#1%20&.ndjson", rows[:20])
    write(folder / "2026/empty.ndjson", [])
    write(folder / "2026/readme.md", ["no log"])
    write(folder / "2027/0.ndjson", rows[:5])


@pytest.mark.parametrize("under", ["2026/", "2026/**/*.gz"])
def test_a_bucket_gives_the_table_of_the_same_files_and_nothing_twice(
    bucket: Storage, tmp_path: Path, under: str
) -> None:
    drains(bucket.folder)
    here = ingest(site_of(), [bucket.folder / under], tmp_path / "here")
    there = ingest(site_of(), [f"s3://logs/{under}"], tmp_path / "there")
    assert here.requests > 50
    assert (there.files, there.lines, there.requests, there.failed, there.skipped) == (
        here.files,
        here.lines,
        here.requests,
        (),
        here.skipped,
    )
    assert table_of(tmp_path / "there") == table_of(tmp_path / "here")
    bucket.asked.clear()
    again = ingest(site_of(), [f"s3://logs/{under}"], tmp_path / "there")
    assert (again.files, again.requests) == (0, 0)
    assert bucket.calls("GET") == 0
    assert table_of(tmp_path / "there") == table_of(tmp_path / "here")


def test_a_listing_of_many_pages_is_read_to_its_end_and_known_objects_cost_nothing_more(
    bucket: Storage, tmp_path: Path
) -> None:
    for number in range(7):
        write(bucket.folder / f"{number}.ndjson", [line(f"r{number}")])
    assert ingest(site_of(), ["s3://logs"], tmp_path / "store").requests == 7
    write(bucket.folder / "7.ndjson", [line("new")])
    bucket.asked.clear()
    report = ingest(site_of(), ["s3://logs/*.ndjson"], tmp_path / "store")
    assert (report.files, report.files_known, report.requests) == (1, 7, 1)
    assert [bucket.calls(name) for name in ("LIST", "HEAD", "GET")] == [4, 2, 2]
    assert ingest(site_of(), ["s3://logs/7.ndjson"], tmp_path / "store").files_known == 1


def test_access_logs_without_ids_are_told_apart_by_their_object(bucket: Storage, tmp_path: Path) -> None:
    one = '203.0.113.9 - - [10/Mar/2026:10:00:00 +0000] "GET /portal HTTP/1.1" 200 12 "-" "Mozilla/5.0" 0.120'
    for name in ("a", "b"):
        write(bucket.folder / f"{name}.log", [one, one, one.replace("10:00", "11:00")])
    assert ingest(site_of(format="combined"), ["s3://logs"], tmp_path / "store").requests == 6


def test_a_large_object_is_read_in_small_pieces(bucket: Storage, tmp_path: Path) -> None:
    rows = [line(f"r{number}", message="x" * 2000) for number in range(4000)]
    log = write(bucket.folder / "large.ndjson", rows)
    assert log.stat().st_size > 2 * PIECE
    assert ingest(site_of(), ["s3://logs"], tmp_path / "store").requests == 4000
    assert max(size for call, size in bucket.asked if call == "GET") <= PIECE


@pytest.mark.parametrize("name", ["1.ndjson.gz", "1.ndjson"])
def test_a_broken_connection_fails_that_file_by_name_and_the_next_run_takes_it(
    bucket: Storage, tmp_path: Path, name: str
) -> None:
    write(bucket.folder / name, [line("1", message=os.urandom(150_000).hex())])
    write(bucket.folder / "2.ndjson", [line("2")])
    bucket.cut.add(name)
    broken = ingest(site_of(), ["s3://logs"], tmp_path / "store")
    assert broken.requests == 1
    assert [file for file, _ in broken.failed] == [name]
    assert broken.failed[0][1] == f"s3://logs/{name}: HTTP error: request or response body error"
    bucket.cut.clear()
    mended = ingest(site_of(), ["s3://logs"], tmp_path / "store")
    assert (mended.files, mended.files_known, mended.requests, mended.failed) == (1, 1, 1, ())


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AWS_SECRET_ACCESS_KEY", "Wr0ng", "s3://logs/2026/*.gz: SignatureDoesNotMatch: The"),
        ("AWS_ACCESS_KEY_ID", "AKIAWr0ng", "s3://logs/2026/: SignatureDoesNotMatch: The request signature we"),
        ("AWS_REGION", REGION, "s3://none/2026/: NoSuchBucket: The specified bucket does not exist"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "s3://logs: HTTP error: error sending request"),
        ("AWS_ENDPOINT_URL", "minio:9000", "AWS_ENDPOINT_URL is no http:// or https:// address"),
        ("AWS_ENDPOINT_URL_S3", "http://me:Wr0ng@minio", "AWS_ENDPOINT_URL_S3 is no http:// or https:// address"),
    ],
)
def test_a_storage_that_does_not_answer_us_is_one_line_without_secrets(
    bucket: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    address = reason.split(": ")[0] if reason.startswith("s3://") else "s3://logs"
    with pytest.raises(SourceError) as caught:
        ingest(site_of(), [address], tmp_path / "store")
    assert str(caught.value).startswith(f"requests: {reason}")
    assert "\n" not in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (SECRET, KEY_ID, "Wr0ng"))


def test_no_credentials_at_all_name_the_variables(
    bucket: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        ingest(site_of(), ["s3://logs"], tmp_path / "store")


@pytest.mark.parametrize(
    "address", ["s3://logs/none", "s3://logs/none/*.gz", "s3://logs/none.ndjson", "s3://logs"]
)
def test_an_address_of_nothing_says_so(bucket: Storage, tmp_path: Path, address: str) -> None:
    with pytest.raises(CallError, match=f"{address.replace('*', '.')}: no such object or folder"):
        ingest(site_of(), [address], tmp_path / "store")


def test_threads_that_read_one_object_at_once_do_not_move_each_other(bucket: Storage) -> None:
    (bucket.folder / "a.log").write_bytes(bytes(range(200)))
    with Objects().open("s3://logs/a.log", "rb") as file:
        file.seek(10)
        other = threading.Thread(target=file.seek, args=(150,))
        other.start()
        other.join()
        assert file.read(3) == bytes([10, 11, 12])


def test_an_object_that_is_replaced_while_it_is_read_is_refused(bucket: Storage) -> None:
    path = bucket.folder / "a.log"
    path.write_bytes(b"a" * PIECE)
    with Objects().open("s3://logs/a.log", "rb") as file:
        assert file.read(3) == b"aaa"
        path.write_bytes(b"b" * PIECE)
        file.seek(PIECE - 3)
        with pytest.raises(SourceError, match="PreconditionFailed"):
            file.read(3)


def traces() -> bytes:
    """Two requests as OpenTelemetry's own library sends them: /a in 5 ms, and /b, which failed, in 7."""
    scopes, start = ScopeSpans(), int(START.timestamp()) * 10**9
    for number, path, status, ms in ((1, "/a", 200, 5), (2, "/b", 503, 7)):
        made = scopes.spans.add(trace_id=b"\xab" * 16, span_id=bytes([number] * 8), kind=2, name=f"GET {path}")
        made.start_time_unix_nano, made.end_time_unix_nano = start, start + ms * 1_000_000
        made.attributes.add(key="http.response.status_code").value.int_value = status
    message: bytes = TracesData(resource_spans=[ResourceSpans(scope_spans=[scopes])]).SerializeToString()
    return message


@pytest.mark.parametrize("name", ["plain.pb", "packed.pb.gz", "packed.pb", "collector.otlp", "packed.collector"])
def test_traces_as_protobuf_are_read_from_a_bucket(bucket: Storage, tmp_path: Path, name: str) -> None:
    """As the body of a request has them, and as the Collector writes files: behind their length in four bytes."""
    content = traces()
    if "collector" in name:
        content = len(content).to_bytes(4, "big") + content
    (bucket.folder / name).write_bytes(gzip.compress(content) if "packed" in name else content)
    site = site_of(format="vercel-traces", columns={})
    report = ingest(site, [f"s3://logs/{name}"], tmp_path / "store")
    assert (report.requests, report.rejected, report.failed) == (2, 0, ())
    found = sorted((row[1], row[3], row[4]) for row in table_of(tmp_path / "store"))
    assert found == [("/a", 200, 5.0), ("/b", 503, 7.0)]
    bucket.asked.clear()
    assert ingest(site, [f"s3://logs/{name}"], tmp_path / "store").files_known == 1
    assert bucket.calls("GET") == 0


def test_a_drain_that_is_packed_and_not_called_so_is_read_from_a_bucket(bucket: Storage, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.ndjson", [line("a"), line("b")])
    (bucket.folder / "drain.json").write_bytes(gzip.compress(plain.read_bytes()))
    assert ingest(site_of(), ["s3://logs/drain.json"], tmp_path / "store").requests == 2


def test_protobuf_that_is_too_large_for_a_copy_says_what_to_do(
    bucket: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "LARGEST_BYTES", 20)
    (bucket.folder / "t.pb").write_bytes(traces())
    report = ingest(site_of(format="vercel-traces", columns={}), ["s3://logs/t.pb"], tmp_path / "store")
    reason = "is protobuf, or packed without being called .gz, and above 1 GiB: keep it in smaller objects"
    assert report.failed == (("t.pb", reason),)
