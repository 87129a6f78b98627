"""Files on disk: what is read out of them, and what is said about those that cannot be read."""

import builtins
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nanolstm_files
from nanolstm.data.request import DataRequest
from nanolstm.errors import BadDataError, DataError, InputError, NoDataError, UnknownSymbolError
from nanolstm_files.source import load

CSV = "day,price,note\n2024-01-30,1.5,a\n2024-01-31,2.5,b\n2024-02-01,3.5,c\n"
DAYS = pd.DatetimeIndex(["2024-01-30", "2024-01-31", "2024-02-01"], name="day")


def read(path, *, start=None, end=None, **options):
    return load(DataRequest(source="files", symbol=path, start=start, end=end, options=options))


def written(folder: Path, text: str | bytes, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(error: type[DataError], path, **how) -> str:
    """The text of the error, which must be short."""
    with pytest.raises(error) as caught:
        read(path, **how)
    assert len(str(caught.value).splitlines()) <= 2
    return str(caught.value)


# What is read


def test_the_first_column_of_a_csv_is_the_time_and_the_rest_stays_as_it_is(tmp_path):
    frame = read(written(tmp_path, CSV))
    assert frame.index.equals(DAYS)
    assert frame.index.name == "day"
    assert frame["price"].tolist() == [1.5, 2.5, 3.5]
    assert frame["note"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", CSV.encode()),
        ("P.CSV", CSV.encode()),
        ("p.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("p.csv", CSV.replace("\n", "\r\n").encode()),
        ("p.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("p.tsv", CSV.replace(",", "\t").encode()),
    ],
)
def test_plain_compressed_and_tabbed_text_say_the_same(tmp_path, name, content):
    expected = read(written(tmp_path, CSV, "expected.csv"))
    pd.testing.assert_frame_equal(read(written(tmp_path, content, name)), expected)


def test_a_path_may_be_text_and_begin_at_home(tmp_path, monkeypatch):
    written(tmp_path, CSV)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(read("~/prices.csv")) == 3


@pytest.mark.parametrize("time", ["day", 1])
def test_the_time_column_is_chosen_by_name_or_position(tmp_path, time):
    frame = read(written(tmp_path, "price,day\n1.5,2024-01-30\n2.5,2024-01-31\n"), time=time)
    assert list(frame.columns) == ["price"]
    assert frame.index.equals(DAYS[:2])


def test_a_european_file_is_read_with_its_separator_decimal_and_dates(tmp_path):
    path = written(tmp_path, "Tag;Kurs\n30.01.2024;1,5\n01.02.2024;2,5\n")
    frame = read(path, sep=";", decimal=",", date_format="%d.%m.%Y")
    assert frame["Kurs"].tolist() == [1.5, 2.5]
    assert frame.index.tolist() == [pd.Timestamp("2024-01-30"), pd.Timestamp("2024-02-01")]


def test_numbers_in_the_time_column_are_a_step_index(tmp_path):
    frame = read(written(tmp_path, "step,v\n0,1\n1,2\n5,3\n"))
    assert frame.index.tolist() == [0, 1, 5]
    assert pd.api.types.is_integer_dtype(frame.index)


def test_numbers_with_a_date_format_are_dates(tmp_path):
    frame = read(written(tmp_path, "day,v\n20240130,1\n20240131,2\n"), date_format="%Y%m%d")
    assert frame.index.equals(DAYS[:2])


def test_rows_stay_in_the_files_order_and_duplicates_stay(tmp_path):
    frame = read(written(tmp_path, "day,v\n2024-02-01,1\n2024-01-31,2\n2024-01-31,3\n"))
    assert frame["v"].tolist() == [1, 2, 3]


def test_one_offset_from_utc_is_kept_as_the_time_zone(tmp_path):
    frame = read(written(tmp_path, "t,v\n2024-01-30T09:30+01:00,1\n2024-01-31T09:30+01:00,2\n"))
    assert frame.index[0] == pd.Timestamp("2024-01-30T09:30+01:00")
    assert frame.index[0].utcoffset().total_seconds() == 3600


def test_offsets_that_change_with_daylight_saving_become_utc(tmp_path):
    text = "Date,Close\n2024-03-08 00:00:00-05:00,1\n2024-03-11 00:00:00-04:00,2\n"
    frame = read(written(tmp_path, text))
    assert str(frame.index.tz) == "UTC"
    assert frame.index.tolist() == [pd.Timestamp("2024-03-08T05:00Z"), pd.Timestamp("2024-03-11T04:00Z")]


def test_parquet_gives_back_the_frame_with_its_index(tmp_path):
    frame = pd.DataFrame({"price": [1.5, 2.5, 3.5], "note": ["a", "b", "c"]}, index=DAYS)
    frame.to_parquet(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(read(tmp_path / "p.parquet"), frame, check_index_type=False, check_freq=False)


@pytest.mark.parametrize("time", [None, "day", 1])
def test_parquet_without_an_index_takes_the_first_column_of_dates(tmp_path, time):
    frame = pd.DataFrame({"price": [1.5, 2.5, 3.5], "day": DAYS, "later": DAYS + pd.Timedelta(days=1)})
    frame.to_parquet(tmp_path / "p.parquet")
    read_back = read(tmp_path / "p.parquet", **({} if time is None else {"time": time}))
    assert read_back.index.equals(DAYS)
    assert list(read_back.columns) == ["price", "later"]


def test_parquet_makes_no_columns_out_of_folder_names(tmp_path):
    folder = tmp_path / "year=2024"
    folder.mkdir()
    pd.DataFrame({"price": [1.5, 2.5, 3.5]}, index=DAYS).to_parquet(folder / "p.parquet")
    assert list(read(folder / "p.parquet").columns) == ["price"]


# The window


def test_the_window_includes_its_start_and_excludes_its_end(tmp_path):
    frame = read(written(tmp_path, CSV), start="2024-01-31", end="2024-02-01")
    assert frame["price"].tolist() == [2.5]


@pytest.mark.parametrize(
    "rows",
    [
        "2024-01-30 23:00+01:00,1\n2024-01-31 00:00+01:00,2\n2024-01-31 23:59+01:00,3\n2024-02-01 00:00+01:00,4\n",
        "2024-01-30 23:00+09:00,1\n2024-01-31 00:00+09:00,2\n2024-01-31 23:59+10:00,3\n2024-02-01 00:00+09:00,4\n",
    ],
)
def test_the_window_goes_by_the_clock_that_the_file_writes(tmp_path, rows):
    frame = read(written(tmp_path, "t,v\n" + rows), start="2024-01-31", end="2024-02-01")
    assert frame["v"].tolist() == [2, 3]


def test_the_window_of_a_parquet_index_with_a_zone_goes_by_that_zone(tmp_path):
    hours = pd.date_range("2024-01-30", periods=72, freq="h", tz="Asia/Tokyo")
    pd.DataFrame({"v": np.arange(72)}, index=hours).to_parquet(tmp_path / "p.parquet")
    frame = read(tmp_path / "p.parquet", start="2024-01-31", end="2024-02-01")
    assert frame["v"].tolist() == list(range(24, 48))
    assert str(frame.index.tz) == "Asia/Tokyo"


def test_a_window_without_rows_names_the_range_that_there_is(tmp_path):
    text = refusal(NoDataError, written(tmp_path, CSV), start="2025-01-01")
    assert "2024-01-30" in text
    assert "2024-02-01" in text


def test_a_window_of_dates_does_not_fit_times_that_are_numbers(tmp_path):
    with pytest.raises(InputError, match="'step' are numbers"):
        read(written(tmp_path, "step,v\n0,1\n1,2\n"), start="2024-01-01")


# Paths that lead nowhere


def test_a_missing_file_is_answered_with_the_nearest_name_beside_it(tmp_path):
    written(tmp_path, CSV)
    assert "did you mean 'prices.csv'?" in refusal(UnknownSymbolError, tmp_path / "price.csv")


def test_a_missing_file_with_nothing_like_it_is_simply_missing(tmp_path):
    text = refusal(UnknownSymbolError, tmp_path / "price.csv")
    assert "there is no file" in text
    assert "did you mean" not in text


@pytest.mark.parametrize("path", ["no/such/folder/p.csv", "https://example.org/p.csv"])
def test_a_missing_folder_is_said_to_be_missing(path):
    assert "local paths only" in refusal(UnknownSymbolError, path)


def test_a_folder_is_no_file(tmp_path):
    assert "is a folder" in refusal(UnknownSymbolError, tmp_path)


def test_an_unknown_suffix_is_answered_with_those_that_are_known(tmp_path):
    text = refusal(UnknownSymbolError, written(tmp_path, CSV, "prices.xlsx"))
    assert ".csv, .csv.gz, .tsv, .parquet" in text


@pytest.mark.parametrize("symbol", [None, "", 5])
def test_no_path_at_all_is_answered_with_an_example(symbol):
    assert "prices.csv" in refusal(UnknownSymbolError, symbol)


def test_an_unknown_home_is_an_unknown_path():
    assert "no such user" in refusal(UnknownSymbolError, "~no_such_user_here/p.csv")


# Files that are not what they say


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.csv", b"", "is empty"),
        ("p.csv", b"\n\n", "is empty"),
        ("p.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("p.csv", b"day,price\n", "a header and no rows"),
        ("p.csv", b"day;price\n2024-01-30;1\n", "is sep=',' right?"),
        ("p.csv", b"2024-01-30,1\n2024-01-31,2\n", "has no header"),
        ("p.csv", b"day,a\n2024-01-30,1\n2024-01-31,2,3\n", "line 3"),
        ("p.csv", b"day\n2024-01-30,1\n2024-01-31,2\n", "more fields than its header"),
        ("p.csv", b'day,a\n"2024-01-30,1\n', "EOF inside string"),
        ("p.csv", bytes(range(256)) * 20, "p.csv"),
        ("p.csv", b"\x00\x01\x02,\x00\n\x03,\x04\n", "p.csv"),
        ("p.csv", CSV.encode("utf-16"), "is no text in UTF-8"),
        ("p.csv", gzip.compress(CSV.encode(), mtime=0), "is no text in UTF-8"),
        ("p.csv.gz", CSV.encode(), "cannot be read"),
        ("p.csv.gz", gzip.compress(CSV.encode() * 100, mtime=0)[:-20], "cannot be read"),
        ("p.parquet", b"", "is no Parquet file, or damaged"),
        ("p.parquet", CSV.encode(), "is no Parquet file, or damaged"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name, content, said):
    assert said in refusal(BadDataError, written(tmp_path, content, name))


@pytest.mark.parametrize("kept", [10, 400, -1])
def test_a_truncated_parquet_file_is_refused(tmp_path, kept):
    path = tmp_path / "p.parquet"
    pd.DataFrame({"price": [1.5, 2.5, 3.5]}, index=DAYS).to_parquet(path)
    path.write_bytes(path.read_bytes()[:kept])
    assert "is no Parquet file, or damaged" in refusal(BadDataError, path)


def test_a_parquet_file_damaged_in_its_middle_is_refused(tmp_path):
    path = tmp_path / "p.parquet"
    pd.DataFrame({"price": np.arange(1000.0)}, index=pd.date_range("2020", periods=1000)).to_parquet(path)
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    assert "is no Parquet file, or damaged" in refusal(BadDataError, path)


def test_parquet_without_times_lists_its_columns(tmp_path):
    pd.DataFrame({"a": [1.0], "b": [2.0]}).to_parquet(tmp_path / "p.parquet")
    assert "one of: a, b" in refusal(BadDataError, tmp_path / "p.parquet")


def test_parquet_without_rows_is_refused(tmp_path):
    pd.DataFrame({"a": [1.0]}, index=DAYS[:1]).iloc[:0].to_parquet(tmp_path / "p.parquet")
    assert "has no rows" in refusal(BadDataError, tmp_path / "p.parquet")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    path = written(tmp_path, "anything", "p.parquet")
    real_import = builtins.__import__

    def import_without_pyarrow(name, *rest, **more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", import_without_pyarrow)
    assert 'pip install "nanolstm[parquet]"' in refusal(DataError, path)


# Times that are none


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2024-01-30,1\nsoon,2\nlater,3\n", "row 2 of the time column 'day' is 'soon' (and 1 more)"),
        ("2024-01-30,1\n2024-02-30,2\n", "row 2 of the time column 'day' is '2024-02-30'"),
        ("01/02/2024,1\n01/03/2024,2\n", "row 1 of the time column 'day' is '01/02/2024' (and 1 more)"),
        ("2024-01-30,1\n,2\n", "row 2 of the time column 'day' is empty"),
        ("1,1\n,2\n3,3\n", "row 2 of the time column 'day' is empty"),
        ("2024-01-30 10:00,1\n2024-01-31 10:00Z,2\n", "row 2 is '2024-01-31 10:00Z'"),
        ("True,1\nFalse,2\n", "row 1 of the time column 'day' is 'True'"),
    ],
)
def test_a_time_that_is_none_is_named_with_its_row(tmp_path, rows, said):
    assert said in refusal(BadDataError, written(tmp_path, "day,v\n" + rows))


def test_a_date_in_another_format_is_answered_with_how_to_tell_it(tmp_path):
    assert "date_format=" in refusal(BadDataError, written(tmp_path, "day,v\n30.01.2024,1\n"))


def test_a_date_that_does_not_fit_the_given_format_is_named(tmp_path):
    path = written(tmp_path, "day,v\n30.01.2024,1\n2024-01-31,2\n")
    assert "row 2 of the time column 'day' is '2024-01-31'" in refusal(BadDataError, path, date_format="%d.%m.%Y")


@pytest.mark.parametrize(
    ("time", "said"), [("dya", "did you mean 'day'? columns: day, note, price"), (3, "3 columns"), (-1, "3 columns")]
)
def test_a_time_column_that_is_not_there_is_answered_with_those_that_are(tmp_path, time, said):
    assert said in refusal(BadDataError, written(tmp_path, CSV), time=time)


# Options


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("p.csv", {"seperator": ";"}, "did you mean 'sep'?"),
        ("p.parquet", {"sep": ";"}, "'sep' is no option for .parquet files; options: date_format, time"),
        ("p.csv", {"sep": ";;"}, "sep=';;': expected one character"),
        ("p.csv", {"decimal": ""}, "decimal='': expected one character"),
        ("p.csv", {"decimal": ","}, "sep and decimal are both ','"),
        ("p.csv", {"time": None}, "time=None"),
        ("p.csv", {"time": True}, "time=True"),
        ("p.csv", {"date_format": 5}, "date_format=5"),
        ("p.csv", {"date_format": "%Q"}, "date_format='%Q' is no format of dates"),
    ],
)
def test_a_wrong_option_is_refused_by_name(tmp_path, name, options, said):
    with pytest.raises(InputError) as caught:
        read(written(tmp_path, CSV, name), **options)
    assert said in str(caught.value)


def test_the_source_is_registered_as_files():
    registered = []
    nanolstm_files.nanolstm_register_sources(lambda name, source: registered.append((name, source)))
    assert registered == [("files", load)]
    assert load.__doc__.splitlines()[0].startswith("A CSV or Parquet file")
