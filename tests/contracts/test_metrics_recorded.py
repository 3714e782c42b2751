"""Counters from CSV files, and what is said of files that cannot be used."""

from pathlib import Path

import pytest

from trimtab.adapters.metrics.recorded import read
from trimtab.analysis.recipes import RECORDED, Whose, counters, histograms
from trimtab.errors import DocumentError

HEAD = "time,pod,counter,value\n"


def written(folder: Path, text: str, name: str = "counters.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


def test_every_counter_of_every_pod_is_a_series_in_order_of_time(tmp_path: Path) -> None:
    text = HEAD + "1700000030,a,requests,30\n1700000015,a,requests,10\n2023-11-14T22:13:35Z,b,requests,5\n1700000015,a,errors,1\n"
    found = {(each.labels["pod"], each.labels["__name__"]): each for each in read([written(tmp_path, text)])}
    assert found["a", "requests"].times.tolist() == [1700000015, 1700000030]
    assert found["a", "requests"].values.tolist() == [10, 30]
    assert found["b", "requests"].times.tolist() == [1700000015]
    assert all(each.labels["arm"] == "primary" for each in found.values())


def test_other_columns_are_labels_and_empty_ones_are_not_there(tmp_path: Path) -> None:
    text = "time,pod,counter,le,code,value\n15,a,duration,0.5,,3\n15,a,duration,+Inf,,4\n15,a,requests,,200,4\n"
    found = read([written(tmp_path, text)])
    assert [sorted(set(each.labels) - {"arm", "pod", "__name__"}) for each in found] == [["le"], ["le"], ["code"]]
    (made,) = histograms(found, RECORDED, Whose())
    assert made.bounds == (0.5,) and made.values.tolist() == [[3, 4]]


def test_arms_are_told_by_their_column_or_by_the_workloads_name(tmp_path: Path) -> None:
    by_arm = "time,arm,pod,counter,value\n15,canary,a,requests,1\n15,primary,b,requests,2\n"
    by_workload = "time,workload,pod,counter,value\n15,shop,a,requests,1\n15,shop-primary,b,requests,2\n"
    alone = "time,workload,pod,counter,value\n15,shop,a,requests,1\n"
    arms = [[each.arm for each in counters(read([written(tmp_path, text)]), RECORDED, Whose())] for text in (by_arm, by_workload, alone)]
    assert arms == [["canary", "primary"], ["canary", "primary"], ["primary"]]


def test_several_files_are_one_recording(tmp_path: Path) -> None:
    files = [written(tmp_path, f"{HEAD}{moment},a,requests,{moment}\n", f"{moment}.csv") for moment in (30, 15)]
    (found,) = read(files)
    assert found.times.tolist() == [15, 30]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ":1: the first line must name the columns, and there is no 'time'; there are: none"),
        ("time,pod,value\n", ":1: the first line must name the columns, and there is no 'counter'; there are: time, pod, value"),
        ("time,pod,pod,counter,value\n", ":1: the column 'pod' is there twice"),
        (HEAD, ": holds no counters"),
        (HEAD + "15,a,requests,1\n30,a,requests\n", ":3: has not as many fields as the first line names columns"),
        (HEAD + "15,a,requests,many\n", ":2: value is 'many'; a number is needed"),
        (HEAD + "15,a,requests,-1\n", ":2: value is '-1'; a number that is not negative is needed"),
        (HEAD + "15,a,requests,nan\n", ":2: value is 'nan'; a number that is not negative is needed"),
        (HEAD + "1700000015000,a,requests,1\n", ":2: time is '1700000015000'; it must be in seconds since 1970, not in milliseconds"),
        (HEAD + "yesterday,a,requests,1\n", ":2: time is 'yesterday'; it must be seconds since 1970 or like 2026-01-02T15:04:05Z"),
        (HEAD + "2026-01-02T15:04:05,a,requests,1\n", ":2: time is '2026-01-02T15:04:05' without a time zone; add Z for UTC"),
        ("time,pod,arm,counter,value\n15,a,both,requests,1\n", ":2: arm is 'both'; it must be canary or primary"),
        ("time,pod,le,counter,value\n15,a,wide,duration,1\n", ":2: le is 'wide'; a number is needed"),
        (HEAD + "15,a,requests,1\n15,a,requests,2\n", ": requests a is there twice at 15 s"),
        ("time,workload,counter,value\n15,shop,requests,1\n15,cart,requests,1\n", ": holds several workloads: cart, shop."),
        ("time,workload,counter,value\n15,shop-primary,requests,1\n15,cart,requests,1\n", ": holds the workload 'cart' beside 'shop'."),
        (HEAD + "".join(f"{15 * n},a,requests,{n % 2}\n" for n in range(30)), "falls in 14 of 29 steps, and a counter only grows."),
        (HEAD + '15,"a\n', ":2: is not CSV"),
    ],
)
def test_files_that_cannot_be_used_say_where_and_why(tmp_path: Path, text: str, words: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(DocumentError) as caught:
        read([file])
    assert words in str(caught.value) and str(file) in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        read([tmp_path / "none.csv"])
    binary = tmp_path / "binary.csv"
    binary.write_bytes(HEAD.encode() + b"15,\xff,requests,1\n")
    with pytest.raises(DocumentError, match="is not UTF-8 text"):
        read([binary])
